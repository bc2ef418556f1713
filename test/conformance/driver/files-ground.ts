import { readdirSync } from 'node:fs';
import { scratch } from '../../support/files-capture.ts';
import { textOf } from '../../support/lab-inside.ts';

/** Where the folders of the suite lie, and how the tests see them, by other eyes than the driver's. */
export interface Ground extends AsyncDisposable {
  /** As the driver knows it. */
  readonly path: string;
  /** The same, as this process reaches it by system calls. */
  readonly view: string;
  /** A command that runs among the processes of that machine, and knows files by their paths there. */
  command(argv: readonly string[]): readonly string[];
  /** Programs that the driver has started there and not ended. */
  helpers(): Promise<readonly string[]>;
}

export const HELPERS: readonly string[] = ['tar', 'xargs', 'getfattr', 'setfattr', 'rm', 'sync', 'chmod'];

/** A folder of this machine. */
export function localGround(): Ground {
  const folder = scratch('stasis-conformance-');
  return {
    path: folder.path,
    view: folder.path,
    command: (argv) => argv,
    helpers: async () =>
      childrenOf(process.pid)
        .filter(({ name }) => HELPERS.includes(name))
        .map(({ name, pid }) => `${name} (${pid}) runs`),
    async [Symbol.asyncDispose]() {
      folder[Symbol.dispose]();
    },
  };
}

export function childrenOf(parent: number): { readonly pid: string; readonly name: string }[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      const [, name = '', rest = ''] = /\((.*)\) (.*)/s.exec(textOf(`/proc/${pid}/stat`)) ?? [];
      return Number(rest.split(' ')[1]) === parent ? [{ pid, name }] : [];
    });
}
