import type { Host } from '../../../../provider/core/host.ts';
import { on } from '../../../support/process/rig.ts';
import type { Drift, Twin } from '../drift.ts';

/** Where the program has its things: numbers of descriptors, and the address of its region. */
export interface About {
  readonly data: number;
  readonly door: number;
  readonly counter: number;
  readonly poll: number;
  readonly ticking: number;
  readonly one: number;
  readonly other: number;
  readonly address: number;
}

/** A restored process that does nothing, and so stays as it is. */
export interface ProcessTwin extends Twin {
  readonly host: Host;
  readonly pidFile: string;
}

/** Runs a shell script on its host, in which `$pid` is its number there. */
export function outside(
  twin: ProcessTwin,
  script: string,
  ...args: readonly (string | number)[]
): Promise<string> {
  return on(twin.host, `pid=$(cat "$1"); shift; ${script}`, twin.pidFile, ...args.map(String));
}

export async function aboutOf(twin: ProcessTwin): Promise<About> {
  return JSON.parse(await outside(twin, 'cat "/proc/$pid/root/srv/still/about"')) as About;
}

type More = Pick<Drift, 'besides' | 'unseen' | 'harmless'>;

/** A change from outside of it, by a program of the system. */
export function byScript(
  name: string,
  objects: Drift['objects'],
  script: string,
  more: More = {},
): Drift<ProcessTwin> {
  return {
    ...{ name, objects, ...more },
    change: async (twin) => {
      const { address } = await aboutOf(twin);
      await outside(twin, script, address);
    },
  };
}

/** A system call in the name of one of its threads: what it would have done itself. Bytes are handed over by address. */
export function byCall(
  name: string,
  objects: Drift['objects'],
  call: (about: About) => readonly (number | Uint8Array)[],
  more: More & { readonly thread?: number } = {},
): Drift<ProcessTwin> {
  const { thread = 0, ...rest } = more;
  return {
    ...{ name, objects, ...rest },
    change: async (twin) => {
      const args = call(await aboutOf(twin)).map((value) =>
        typeof value === 'number' ? value : `@${Buffer.from(value).toString('hex')}`,
      );
      await outside(twin, 'python3 /opt/inject.py "$pid" "$@"', thread, ...args);
    },
  };
}

/** Numbers of eight bytes each, as a structure has them. */
export function words(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 8);
  for (const [index, value] of values.entries()) bytes.writeBigInt64LE(BigInt(value), index * 8);
  return bytes;
}
