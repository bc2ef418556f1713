import { describe, expect, test } from '@jest/globals';
import { held, manifestOf, marked } from '../../test/support/manifest.ts';
import { drifted, reportOf } from '../../test/support/report.ts';
import { renderReport } from './formats.ts';
import { html } from './html/markup.ts';
import { code, sentence } from './markdown/text.ts';
import type { Report } from './schema.ts';

describe('markup', () => {
  test('escapes every value, in text and in attributes', () => {
    const value = `<img src=x onerror="a('b')">&`;
    expect(html`<p title="${value}">${value}</p>`.text).toBe(
      '<p title="&lt;img src=x onerror=&quot;a(&#39;b&#39;)&quot;&gt;&amp;">&lt;img src=x onerror=&quot;a(&#39;b&#39;)&quot;&gt;&amp;</p>',
    );
  });

  test('takes only what it made itself as markup', () => {
    const looksLike = { text: '<script>' } as unknown as string;
    expect(html`${looksLike}`.text).not.toContain('<script>');
  });

  test('writes characters out that hide or reorder text', () => {
    expect(html`${'a\u202eb\u0000'}`.text).toBe('a\\u{202e}b\\x00');
  });
});

describe('Markdown', () => {
  test('keeps text text, mentions nobody and closes no code', () => {
    expect(code('a`b``c')).toBe('```a`b``c```');
    expect(code('a|b')).toBe('`a\\|b`');
    expect(sentence('*a* <b> [c](d)')).toBe('\\*a\\* \\<b\\> \\[c\\]\\(d\\)');
    expect(sentence('thanks @somebody #1')).toBe('`thanks @somebody #1`');
    expect(code('a\nb')).toBe('`a\\nb`');
  });
});

/** A report in which everything that a snapshot can name is called the same. */
function reportOfNames(name: string): Report {
  const conditions = [{ claim: name, expected: name, observed: 'x' }];
  const manifest = manifestOf({
    [name]: {
      driver: name,
      sizeBytes: 1,
      summary: name,
      ties: [
        { ...held('still', 1, 3, name), conditions },
        { ...marked(1, 2, name), act: name },
      ],
      outside: [{ code: name, message: name }],
    },
  });
  const member = { ...manifest.members[name]!, endpoint: name, system: { product: name } };
  return reportOf(
    {
      ...{ ...manifest, name, createdBy: name, cutAt: name, members: { [name]: member } },
      samples: { [name]: { member: name, kind: 'sql', durationMs: 1, error: { code: name, message: name } } },
    },
    {
      pins: [{ by: name, digest: `sha256:${'3f9a1c2b'.repeat(8)}` }],
      store: name,
      outcome: {
        ...drifted,
        safetyReference: name,
        members: [{ name, verdict: 'drifted', equal: 1, differenceCount: 1, restoreMs: null }],
        differences: [
          {
            ...{ member: name, object: name.replaceAll('/', ''), kind: 'changed', message: name },
            within: [{ name, kind: 'missing' }],
          },
        ],
        warmth: [
          {
            ...{ member: name, known: true, hotBytes: 2, warmedBytes: 1, warmMs: 1 },
            message: name,
            samples: [
              {
                ...{ name, timeToWarmMs: null, requests: 1, message: name },
                ...{ p99BeforeMs: 1, p99FirstMs: 1, p99LastMs: 1, lineBeforeMs: 1, lineMs: 1 },
                ...{ hitRateBefore: null, hitRateFirst: null, hitRateLast: null },
              },
            ],
          },
        ],
        lostWork: [
          {
            ...{ member: name, read: true, sinceCutMs: 1, differenceCount: 1, message: name },
            changes: [{ probe: name, change: 1 }],
            ...{ logAtCut: name, logNow: name, logBytes: 1, logTransactions: 1 },
          },
        ],
      },
    },
  );
}

describe('nothing that a snapshot calls itself becomes markup', () => {
  const evil =
    '</title></style></script></textarea>--><script>alert(1)</script><b onclick="x" style=\'y\'>&lt;';

  test('in any place of a page: it has the tags of an honest one', () => {
    const tagsOf = (page: string): string[] =>
      [...page.matchAll(/<[!/a-z][^>]*?(?=[\s>])/gi)].map(([tag]) => tag);
    const page = renderReport(reportOfNames(evil), 'html');
    expect(tagsOf(page)).toEqual(tagsOf(renderReport(reportOfNames('honest'), 'html')));
    expect(page.split('alert(1)').length).toBeGreaterThan(15);
  });

  test('in any place of a comment', () => {
    const comment = renderReport(reportOfNames(evil), 'markdown');
    const outsideCode = comment.replaceAll(/(?<!`)(`+)(?!`)[\s\S]*?(?<!`)\1(?!`)/g, '');
    expect(outsideCode.replaceAll(/<\/?(?:details|summary)>/g, '')).not.toMatch(/(?<!\\)</);
  });
});
