import type { Host } from '../../provider/core/host.ts';
import { on } from '../../test/support/process/rig.ts';

/** A process that writes its number into a file. */
export interface NativeMember {
  readonly host: Host;
  readonly pidFile: string;
}

const SIGNAL = 'signal=$1; shift; kill -s "$signal" $(cat "$@")';
const DUMP = `
for file; do
  pid=$(cat "$file") && mkdir "/run/native-$pid" || exit 1
  criu dump --tree "$pid" --images-dir "/run/native-$pid" --leave-running --tcp-established --ext-unix-sk --file-locks \\
    --network-lock skip --manage-cgroups=ignore --skip-in-flight -v2 --log-file log || exit 1
done
`;

/**
 * What is done without us: all are stopped, dumped by CRIU one after another, and let go. Over the connections that we use as
 * well, and by one command a host for each of the three, so that little but CRIU takes time.
 * @returns how long they stood, in milliseconds
 */
export async function nativePauseMs(members: readonly NativeMember[]): Promise<number> {
  const byHost = [...Map.groupBy(members, ({ host }) => host)].map(
    ([host, own]) => [host, own.map(({ pidFile }) => pidFile)] as const,
  );
  const signalAll = (signal: string): Promise<string[]> =>
    Promise.all(byHost.map(([host, files]) => on(host, SIGNAL, signal, ...files)));
  const fromMs = performance.now();
  await signalAll('STOP');
  try {
    for (const [host, files] of byHost) await on(host, DUMP, ...files);
  } finally {
    await signalAll('CONT');
  }
  const pausedMs = performance.now() - fromMs;
  await Promise.all(byHost.map(([host]) => on(host, 'rm -rf /run/native-*')));
  return pausedMs;
}
