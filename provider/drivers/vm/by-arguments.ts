import { StasisError } from '../../core/errors.ts';
import type { Host } from '../../core/host.ts';
import { sleep } from '../../core/wait.ts';
import { runScript } from '../../runtime/machine.ts';
import { FOLDER_MARK } from './arguments.ts';
import type { VmContent } from './content.ts';
import { versionNumber } from './facts.ts';
import type { LoadedMachine, Loading } from './loaded-machine.ts';
import { bySocket, relayOf } from './monitor/access.ts';
import { lineOf } from './monitor/conversation.ts';
import { Monitor } from './monitor/monitor.ts';
import type { Place } from './place.ts';

const START_MS = 60_000;
const LOAD_MS = 3_600_000;
const POLL_MS = 10;
/** Since then QEMU says why it could not load, and does not end. */
const SAYS_WHY = '9.1.0';

const START = `
folder=$1; shift
cd -- "$folder" && exec setsid "$@"
`;

/** By the file of its number, and only while that number is still QEMU's: FOLDER SOCKET */
const DROP = `
if read -r p < "$1/stasis-qemu.pid" 2> /dev/null && grep -qF -- "$2" "/proc/$p/cmdline" 2> /dev/null; then
  kill -9 "$p"
  n=0
  while [ -d "/proc/$p" ] && [ $n -lt 1000 ]; do n=$((n + 1)); sleep 0.01; done
fi
rm -f -- "$2"
rmdir -- "\${2%/*}" 2> /dev/null
exit 0
`;

/** Ends the VM that answers at a socket: WORDS... */
const END = `
${bySocket('').functions}
talk '${lineOf('quit')}' > /dev/null 2>&1
n=0
while alive && [ $n -lt 1000 ]; do n=$((n + 1)); sleep 0.01; done
`;

const MAKE_PARENT = 'mkdir -p -- "$(dirname -- "$1")"';

/** Starts QEMU by the captured command line, stopped, and loads the memory. */
export async function startByArguments(loading: Loading, argv: readonly string[]): Promise<LoadedMachine> {
  const { spec, host, place, content, signal, replaces } = loading;
  await runScript(host, MAKE_PARENT, [place.socket], { signal });
  await startQemu(place, argv, content, host, signal);
  const monitor = await Monitor.open(host, relayOf(bySocket(place.socket), ''), signal);
  try {
    if (content.memory) await loadMemory(place, content, monitor, signal);
  } catch (error) {
    await monitor[Symbol.asyncDispose]();
    throw error;
  }
  const target = spec.qmp ?? '';
  return {
    monitor,
    async release(): Promise<void> {
      const unaborted = { signal: new AbortController().signal };
      if (replaces) await runScript(host, END, [target], unaborted);
      await runScript(host, 'mv -f -- "$1" "$2"', [place.socket, target], unaborted);
      await monitor.execute('cont');
    },
  };
}

export async function dropStarted(folder: string, socket: string, host: Host): Promise<void> {
  await runScript(host, DROP, [folder, socket], { signal: new AbortController().signal });
}

async function startQemu(
  { folder, socket, pidFile }: Place,
  captured: readonly string[],
  { memory }: VmContent,
  host: Host,
  signal: AbortSignal,
): Promise<void> {
  const argv = [
    ...captured.map((argument) => argument.replaceAll(FOLDER_MARK, folder)),
    ...['-qmp', `unix:${socket},server=on,wait=off`, '-pidfile', pidFile, '-daemonize', '-S'],
    ...(memory ? ['-incoming', 'defer'] : []),
  ];
  const result = await host.run(['sh', '-c', START, 'stasis-vm', folder, ...argv], {
    signal,
    timeoutMs: START_MS,
  });
  if (result.status === 0) return;
  const said = result.stderr.trim();
  const why = said.split('\n').at(-1)?.replace(/\.$/, '') ?? '';
  throw new StasisError(
    'vm.not-started',
    `The VM cannot be started on ${host.name}: ${why || `QEMU ends with ${result.status}`}.`,
    {
      hint: 'The host needs what the command line names: the details have what QEMU said.',
      details: { said },
    },
  );
}

/** The VM then has its memory and devices, and is stopped. */
async function loadMemory(
  { memory }: Place,
  { machine }: VmContent,
  monitor: Monitor,
  signal: AbortSignal,
): Promise<void> {
  const { qemu } = await monitor.execute<{ qemu: { major: number; minor: number } }>('query-version');
  const saysWhy = versionNumber(`${qemu.major}.${qemu.minor}.0`) >= versionNumber(SAYS_WHY);
  const patience = saysWhy ? { 'exit-on-error': false } : {};
  await monitor.execute('migrate-incoming', { uri: `file:${memory}`, ...patience }, signal);
  const untilMs = Date.now() + LOAD_MS;
  for (;;) {
    const { status } = await monitor.execute<{ status: string }>('query-status', undefined, signal);
    const migration = await monitor.execute<{ status?: string; 'error-desc'?: string }>('query-migrate');
    if (status !== 'inmigrate' && migration.status === 'completed') return;
    if (migration.status === 'failed' || Date.now() > untilMs)
      throw new StasisError(
        'vm.not-loaded',
        `The memory of the VM cannot be loaded: ${migration['error-desc'] ?? 'QEMU does not say why'}.`,
        { hint: `It was saved by QEMU ${machine.version} as ${machine.type}.` },
      );
    await sleep(POLL_MS, signal);
  }
}
