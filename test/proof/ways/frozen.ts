import type { Host } from '../../../provider/core/host.ts';
import { on } from '../../support/process/rig.ts';
import type { Sabotage } from '../sabotaged.ts';
import { evidenceWays } from './evidence.ts';
import type { Way } from './way.ts';

/** When a stranger comes, and the script of the member's host that he runs. */
export interface Stranger {
  readonly hook: 'afterFreeze' | 'beforeEvidence';
  readonly script: string;
}

/** How one that stands still is set in motion by a stranger, with a script of the member's host and its arguments. */
export interface Frozen<App, Name extends string> {
  readonly member: Name;
  readonly members: readonly Name[];
  host(application: App): Host;
  /** By what a stranger does: the script, and when. */
  readonly strangers: Readonly<Record<string, Stranger>>;
  readonly args: readonly string[];
  /** Until the member runs as before, for the next way. */
  revive(application: App): Promise<void>;
}

/**
 * While all is believed to stand still: what runs then may change what others see, so that the marks of all members are
 * of no common instant.
 */
export function frozenWays<App, Name extends string>(frozen: Frozen<App, Name>): Way<App, Name>[] {
  const { member, members, args } = frozen;
  const ways = Object.entries(frozen.strangers).map(
    ([what, { hook, script }]): Way<App, Name> => ({
      name: `${member}: ${what}`,
      members,
      sabotage: async (application) => {
        const act = async (): Promise<void> => {
          await on(frozen.host(application), script, ...args);
        };
        const sabotage: Sabotage = { [hook]: act };
        return { [member]: sabotage } as unknown as Partial<Record<Name, Sabotage>>;
      },
      cleanUp: (application) => frozen.revive(application),
    }),
  );
  return [...ways, ...evidenceWays<Name, App>(member, members)];
}
