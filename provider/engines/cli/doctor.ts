import type { Examination } from '../../core/driver.ts';
import type { StasisError } from '../../core/errors.ts';
import type { Layer } from '../../core/manifest.ts';
import { renderProblem } from './screen/problem.ts';
import { table } from './screen/table.ts';
import { clampWidth, type Line, piece, printable, type RenderOptions, toText } from './screen/text.ts';

export interface Found {
  readonly what: string;
  readonly where: string;
}

export interface DriverHealth extends Examination {
  readonly name: string;
  readonly summary: string;
  readonly layers: readonly Layer[];
}

/** What can be captured on a machine that is reached by SSH. */
export interface HostHealth {
  readonly name: string;
  readonly drivers: readonly DriverHealth[];
  /** Why it cannot be looked at; then no driver was asked. */
  readonly problems: readonly StasisError[];
}

/** What a machine can capture, and what is missing. */
export interface Health {
  readonly version: string;
  readonly drivers: readonly DriverHealth[];
  /** Of this machine: kernel, user, memory. */
  readonly machine: readonly Found[];
  /** Those that the file of inputs names, if one was given. */
  readonly hosts: readonly HostHealth[];
  /** Terraform and OpenTofu on PATH. */
  readonly engines: readonly Found[];
  readonly store: { readonly location: string; readonly problems: readonly StasisError[] };
}

/** Of a driver that speaks its system's protocol itself. */
const NOTHING_NEEDED: Found = { what: 'needs nothing from the machine', where: '' };

export function renderDoctor(health: Health, options: RenderOptions): string {
  const width = clampWidth(options.width);
  const { ascii } = options;
  const facts = (rows: readonly Found[]): string =>
    toText(
      table(
        rows.map(({ what, where }): Line[] => [
          [piece(printable(what, ascii))],
          [piece(printable(where, ascii), 'faint')],
        ]),
        [{}, {}],
        { width, indent: '    ', ascii },
      ),
      options,
    );
  const heading = (text: string, problems: readonly StasisError[]): string =>
    toText([[piece('  '), piece(printable(text, ascii), 'strong'), ...stateOf(problems)]], options);
  const problemsOf = (problems: readonly StasisError[]): string[] =>
    problems.map((problem) => indented(renderProblem(problem, undefined, { ...options, width: width - 4 })));

  const ofDriver = (driver: DriverHealth, where = ''): string[] => [
    heading(`${driver.name}${where} (${driver.layers.join(', ')})`, driver.problems),
    facts(driver.found.length + driver.problems.length > 0 ? driver.found : [NOTHING_NEEDED]),
    ...problemsOf(driver.problems),
  ];

  return [
    toText([[piece(`stasis ${health.version}`, 'strong')]], options),
    ...health.drivers.flatMap((driver) => ofDriver(driver)),
    ...health.hosts.flatMap(({ name, drivers, problems }) => [
      ...(problems.length > 0 ? [heading(`on ${name}`, problems), ...problemsOf(problems)] : []),
      ...drivers.flatMap((driver) => ofDriver(driver, ` on ${name}`)),
    ]),
    heading('engines', []),
    facts(
      health.engines.length > 0
        ? health.engines
        : [{ what: 'neither terraform nor tofu is on PATH', where: '' }],
    ),
    heading('store', health.store.problems),
    facts([{ what: health.store.location, where: '' }]),
    ...problemsOf(health.store.problems),
    heading('machine', []),
    facts(health.machine),
  ]
    .filter((part) => part !== '')
    .join('\n');
}

function stateOf(problems: readonly StasisError[]): Line {
  if (problems.length === 0) return [];
  const isBroken = problems.some(({ severity }) => severity === 'error');
  return [piece('  '), isBroken ? piece('not usable', 'bad') : piece('usable, with less', 'caution')];
}

function indented(text: string): string {
  return text.replaceAll(/^/gm, '    ');
}
