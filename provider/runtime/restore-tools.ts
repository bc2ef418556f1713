import type { Examination } from '../core/driver.ts';
import { type Severity, StasisError } from '../core/errors.ts';
import type { Host } from '../core/host.ts';

/** Debian's packages of the programs that restores take. */
const PACKAGES: Readonly<Record<string, string>> = {
  criu: 'criu, of a release that has 4.2 or newer',
  ...{ nsenter: 'util-linux', unshare: 'util-linux', flock: 'util-linux' },
  setpriv: 'util-linux',
  ...{ ip: 'iproute2', ss: 'iproute2', nft: 'nftables', tar: 'tar' },
};

/** Lines of a script for `runParts`: where each program is. */
export function lookForTools(programs: readonly string[]): string {
  return `for program in ${programs.join(' ')}; do part tool $program; command -v $program; done`;
}

/** Of what those lines found. Codes are `DRIVER.no-PROGRAM`. */
export function missingTools(
  driver: string,
  parts: ReadonlyMap<string, string>,
  host: Host,
  severity: Severity = 'error',
): StasisError[] {
  return toolsIn(parts)
    .filter(({ where }) => where === '')
    .map(
      ({ program }) =>
        new StasisError(
          `${driver}.no-${program}`,
          `There is no ${program} on ${host.name}, which a restore takes.`,
          {
            hint: `Install it: apt-get install ${PACKAGES[program] ?? program}.`,
            severity,
          },
        ),
    );
}

/** What a machine has for restores; what it lacks keeps nothing from being captured there, so it is a warning. */
export function examineRestore(driver: string, parts: ReadonlyMap<string, string>, host: Host): Examination {
  const found = toolsIn(parts)
    .filter(({ where }) => where !== '')
    .map(({ program, where }) => ({ what: `${program}, for a restore`, where }));
  return { found, problems: missingTools(driver, parts, host, 'warning') };
}

function toolsIn(parts: ReadonlyMap<string, string>): { readonly program: string; readonly where: string }[] {
  return [...parts].flatMap(([name, where]) =>
    name.startsWith('tool ') ? [{ program: name.slice(5), where: where.trim() }] : [],
  );
}
