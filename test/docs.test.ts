import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { describe, expect, test } from '@jest/globals';

const ROOT = join(import.meta.dirname, '..');
const NOT_OURS = new Set(['node_modules', '.git', 'dist', 'coverage']);

/** Every file below a folder with one of these endings, by its path from the root. */
function files(folder: string, ending: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return NOT_OURS.has(entry.name) ? [] : files(path, ending);
    return entry.name.endsWith(ending) ? [relative(ROOT, path)] : [];
  });
}

const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');

/** The anchor that a heading gets: lower case, spaces to hyphens, other marks dropped. */
function anchor(heading: string): string {
  return heading
    .toLowerCase()
    .replaceAll(/[^a-z0-9 _-]/g, '')
    .replaceAll(' ', '-');
}

function faultOf(page: string, link: string): string | undefined {
  const [path = '', fragment] = link.split('#');
  const target = path === '' ? page : join(dirname(page), path);
  if (!existsSync(join(ROOT, target))) return `${page}: ${link} is not there`;
  if (fragment === undefined) return undefined;
  const headings = [...read(target).matchAll(/^#+ (.+)$/gm)].map((match) => anchor(match[1]!));
  return headings.includes(fragment) ? undefined : `${page}: ${link} names no heading`;
}

describe('the pages', () => {
  const pages = files(ROOT, '.md');

  test('link to what is there', () => {
    expect(pages.length).toBeGreaterThan(5);
    const links = pages.flatMap((page) =>
      [...read(page).matchAll(/\]\(([^)\s]+)\)/g)]
        .map((match) => match[1]!)
        .filter((link) => !/^[a-z]+:/.test(link))
        .map((link) => ({ page, link })),
    );
    expect(links.length).toBeGreaterThan(10);
    expect(links.map(({ page, link }) => faultOf(page, link)).filter(Boolean)).toEqual([]);
  });

  test('name codes that the sources have', () => {
    const sources = files(join(ROOT, 'provider'), '.ts').map(read).join('\n');
    const codes = [...read('docs/troubleshooting.md').matchAll(/`([a-z]+\.[a-z]+(?:-[a-z]+)*)`/g)]
      .map((match) => match[1]!)
      .filter((code) => !code.endsWith('.yaml'));
    expect(codes.length).toBeGreaterThan(10);
    expect(codes.filter((code) => !sources.includes(`'${code}'`))).toEqual([]);
  });

  test('name npm scripts that there are', () => {
    const { scripts } = JSON.parse(read('package.json'));
    const named = pages.flatMap((page) =>
      [...read(page).matchAll(/npm run ([a-z]+)/g)].map((match) => match[1]!),
    );
    expect(named.filter((name) => !(name in scripts))).toEqual([]);
  });
});
