import type { Host } from '../../../../provider/core/host.ts';
import { on } from '../../../support/process/rig.ts';
import type { Drift, Twin } from '../drift.ts';

/** A VM that was loaded and is stopped. */
export interface VmTwin extends Twin {
  readonly host: Host;
  /** In which the restored VM has a folder of its own. */
  readonly folder: string;
}

/** A change by a shell script that runs in the folder of the restored VM; `$pid` is its QEMU's number. */
export function byScript(
  name: string,
  objects: Drift['objects'],
  script: string,
  more: Pick<Drift, 'unseen' | 'harmless'> = {},
): Drift<VmTwin> {
  return {
    ...{ name, objects, ...more },
    change: async ({ host, folder }) => {
      await on(host, `set -e; cd "$1"/*/; pid=$(cat stasis-qemu.pid)\n${script}`, folder);
    },
  };
}

/** A change by a line to QEMU's own console. */
export function byConsole(
  name: string,
  objects: Drift['objects'],
  ...lines: readonly string[]
): Drift<VmTwin> {
  const said = lines.map((line) => `${line}\\n`).join('');
  return byScript(
    name,
    objects,
    `{ printf '${said}'; sleep 1; } | socat - UNIX-CONNECT:"$(ls -d *mon.sock*)" > /dev/null`,
  );
}
