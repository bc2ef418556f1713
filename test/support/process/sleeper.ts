import type { Host } from '../../../provider/core/host.ts';
import { dumpCommand, viewOf } from '../../../provider/drivers/process/dump.ts';
import type { DumpCommand } from '../../../provider/runtime/dump.ts';
import { readFacts } from '../../../provider/runtime/facts.ts';
import { surroundingsOn } from '../../../provider/runtime/surroundings.ts';
import { on } from './rig.ts';
import { startService } from './servers.ts';

const GROUP = '/sys/fs/cgroup/sleeper';

/** The least that can be frozen and dumped: one process, in a control group of its own. */
export interface Sleeper {
  readonly pid: number;
  /** Absolute, on its host. */
  readonly group: string;
  /** Dumps it into the folder, as the driver would. */
  command(folder: string): Promise<DumpCommand>;
}

export async function startSleeper(host: Host): Promise<Sleeper> {
  await startService(host, 'sleeper', 'root', 'sleep', '100000');
  const pid = Number(await on(host, 'cat /run/sleeper.pid'));
  await on(host, 'mkdir -p "$1" && echo "$2" > "$1/cgroup.procs"', GROUP, String(pid));
  const { signal } = new AbortController();
  const command = async (folder: string): Promise<DumpCommand> => {
    const view = viewOf(await readFacts(host, [pid], signal), await surroundingsOn(host, signal));
    return dumpCommand(folder, GROUP, view, []);
  };
  return { pid, group: GROUP, command };
}
