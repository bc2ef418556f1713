import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Kind } from './drift/drift.ts';
import { isExpected, type Outcome, type Seen } from './verdict.ts';

export const VERDICT_DOCS = join(import.meta.dirname, '..', '..', 'docs', 'verdict.md');

const HEAD = `# What the verdict sees

\`npm run proof -- verdict\` is a mutation test of our own judgement. It captures a real system of each driver below,
restores it, and compares it: nothing may be called drifted. Then it changes the restored system for real, by other means
than ours, and compares it again: what was changed has to be named, and nothing else. The long form writes this page, and
\`npm test\` runs a short form. What each driver leaves out as noise, its own page says. Processes, containers and virtual
machines are not tried by it yet.
`;

/** Writes the page of a whole run. */
export async function writeVerdictDocs(seen: Seen): Promise<void> {
  await writeFile(VERDICT_DOCS, docsOf(seen));
}

/** Names of changes that the page has no row for: then it is of an older proof. */
export async function undocumented(kinds: readonly Kind[]): Promise<string[]> {
  const page = await readFile(VERDICT_DOCS, 'utf8');
  const rows = page.split('\n');
  return kinds.flatMap(({ drifts }) =>
    drifts.map(({ name }) => name).filter((name) => !rows.some((row) => row.startsWith(`| ${cell(name)} |`))),
  );
}

function docsOf(seen: Seen): string {
  const { outcomes, falseAlarms, cleanRestores, cleanComparisons } = seen;
  const changes = outcomes.filter(({ drift }) => !drift.harmless);
  const caught = changes.filter(({ verdict }) => verdict === 'caught');
  const drivers = [...new Set(outcomes.map(({ driver }) => driver))];
  const figures = [
    '| | |',
    '| --- | --- |',
    `| changes that count | ${changes.length}, of which ${caught.length} were named at the right object |`,
    `| changes that do not count | ${outcomes.length - changes.length} |`,
    `| clean restores | ${cleanRestores}, and ${cleanComparisons} comparisons of what was restored and left alone |`,
    `| false alarms | ${falseAlarms.length + outcomes.filter(({ verdict }) => verdict === 'false alarm').length} |`,
  ];
  return [HEAD, ...figures, ...drivers.flatMap((driver) => section(driver, outcomes)), ''].join('\n');
}

function section(driver: string, outcomes: readonly Outcome[]): string[] {
  const own = outcomes.filter((outcome) => outcome.driver === driver);
  const [named, rest] = [
    own.filter(({ drift }) => drift.objects.length > 0),
    own.filter(({ drift }) => drift.objects.length === 0),
  ];
  return [
    '',
    `## ${driver}`,
    '',
    '| changed | named |',
    '| --- | --- |',
    ...named.map(
      ({ drift, named: differences, verdict }) =>
        `| ${cell(drift.name)} | ${
          verdict === 'caught'
            ? differences
                .filter(({ object }) => isExpected(drift, object))
                .map(({ object }) => code(object))
                .join(', ')
            : `**${verdict}**`
        } |`,
    ),
    ...(rest.length === 0
      ? []
      : [
          '',
          '| changed and not named | why |',
          '| --- | --- |',
          ...rest.map(
            ({ drift }) => `| ${cell(drift.name)} | ${cell(drift.unseen ?? 'it makes no difference')} |`,
          ),
        ]),
  ];
}

const cell = (text: string): string => text.replaceAll('|', '\\|');
const code = (text: string): string => `\`${cell(text)}\``;
