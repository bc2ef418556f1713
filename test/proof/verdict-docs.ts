import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Kind } from './drift/drift.ts';
import { isExpected, type Outcome } from './drift/judged.ts';
import { cleanOf, type Seen } from './verdict.ts';

export const VERDICT_DOCS = join(import.meta.dirname, '..', '..', 'docs', 'verdict.md');

const HEAD = `# What the verdict sees

\`npm run proof -- verdict\` is a mutation test of our own judgement. It captures a real system of each driver below,
restores it, and compares it: nothing may be called drifted. Then it changes the restored system for real, by other means
than ours, and compares it again: what was changed has to be named, and nothing else. What runs on by itself (a VM) is changed
before it is released. \`npm run proof -- verdict --only vm:\` runs one driver; each long run writes its part of this page, and
\`npm test\` runs a short form. What each driver leaves out as noise, its own page says.
`;

/** Writes what was seen of these drivers into the page; what others have there stays. */
export async function writeVerdictDocs(seen: Seen, drivers: readonly string[]): Promise<void> {
  if (drivers.length === 0) return;
  const before = partsOf(await readFile(VERDICT_DOCS, 'utf8').catch(() => ''));
  const parts = new Map([...before, ...drivers.map((driver) => [driver, partOf(driver, seen)] as const)]);
  await writeFile(VERDICT_DOCS, pageOf(parts));
}

/** Names of changes that the page has no row for: then it is of an older proof. */
export async function undocumented(kinds: readonly Kind[]): Promise<string[]> {
  const page = await readFile(VERDICT_DOCS, 'utf8');
  const rows = page.split('\n');
  return kinds.flatMap(({ drifts }) =>
    drifts.map(({ name }) => name).filter((name) => !rows.some((row) => row.startsWith(`| ${cell(name)} |`))),
  );
}

/** One driver's figures, and its section. */
interface Part {
  readonly figures: readonly number[];
  readonly section: string;
}

const FIGURES = [
  'that count',
  'named',
  'that do not',
  'clean restores',
  'compared by themselves',
  'false alarms',
];

/** What the page says of all drivers together. */
export async function documentedTotals(): Promise<{
  readonly changes: number;
  readonly named: number;
  readonly cleanRestores: number;
  readonly falseAlarms: number;
}> {
  const parts = partsOf(await readFile(VERDICT_DOCS, 'utf8'));
  const [changes, named, , cleanRestores, , falseAlarms] = totalOf(parts) as [number, ...number[]];
  return { changes, named: named!, cleanRestores: cleanRestores!, falseAlarms: falseAlarms! };
}

function totalOf(parts: ReadonlyMap<string, Part>): number[] {
  return FIGURES.map((_, index) =>
    [...parts.values()].reduce((sum, { figures }) => sum + figures[index]!, 0),
  );
}

function pageOf(parts: ReadonlyMap<string, Part>): string {
  const row = (name: string, figures: readonly number[]): string => `| ${name} | ${figures.join(' | ')} |`;
  return [
    HEAD,
    `| changes of | ${FIGURES.join(' | ')} |`,
    `| --- | ${FIGURES.map(() => '---').join(' | ')} |`,
    ...[...parts].map(([driver, { figures }]) => row(driver, figures)),
    row('**all**', totalOf(parts)),
    ...[...parts.values()].map(({ section: text }) => text),
    '',
  ].join('\n');
}

/** What the page has of each driver, in its order. */
function partsOf(page: string): Map<string, Part> {
  const [head = '', ...sections] = page.split(/\n(?=## )/);
  return new Map(
    sections.map((text) => {
      const driver = /^## (\S+)/.exec(text)![1]!;
      const row = head.split('\n').find((line) => line.startsWith(`| ${driver} |`)) ?? '';
      const figures = row.split('|').slice(2, -1).map(Number);
      return [
        driver,
        { figures: FIGURES.map((_, index) => figures[index] ?? 0), section: `\n${text.trim()}` },
      ];
    }),
  );
}

function partOf(driver: string, seen: Seen): Part {
  const own = seen.outcomes.filter((outcome) => outcome.driver === driver);
  const changes = own.filter(({ drift }) => !drift.harmless);
  const alarms = [
    ...seen.falseAlarms.filter((alarm) => alarm.driver === driver),
    ...own.filter(({ verdict }) => verdict === 'false alarm'),
  ];
  const { restores, comparisons } = cleanOf(seen, driver);
  const caught = changes.filter(({ verdict }) => verdict === 'caught').length;
  return {
    figures: [changes.length, caught, own.length - changes.length, restores, comparisons, alarms.length],
    section: section(driver, own).join('\n'),
  };
}

function section(driver: string, own: readonly Outcome[]): string[] {
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
                .concat(drift.rows === undefined ? '' : `: ${cell(drift.rows)}`)
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
