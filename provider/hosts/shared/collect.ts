import { StasisError, throwIfAborted } from '../../core/errors.ts';
import type { RunOptions, RunResult, Spawned, SpawnOptions } from '../../core/host.ts';

/** What a command's collected output may be; more is an error, as `run` is for short answers. */
const STDOUT_MAX_BYTES = 64 * 1024 * 1024;

type Start = (argv: readonly string[], options: SpawnOptions) => Promise<Spawned>;

/** Host.run by way of Host.spawn. */
export async function runBy(start: Start, argv: readonly string[], options: RunOptions): Promise<RunResult> {
  const timeout = AbortSignal.timeout(options.timeoutMs);
  const late = (): StasisError =>
    new StasisError('host.timeout', `${argv[0]} did not end within ${options.timeoutMs} ms.`);
  const judge = (): void => {
    throwIfAborted(options.signal);
    if (timeout.aborted) throw late();
  };
  let spawned: Spawned;
  try {
    spawned = await start(argv, { ...options, signal: AbortSignal.any([options.signal, timeout]) });
  } catch (error) {
    judge();
    throw error;
  }
  const chunks: Uint8Array[] = [];
  let sizeBytes = 0;
  try {
    for await (const chunk of spawned.stdout) {
      sizeBytes += chunk.length;
      if (sizeBytes > STDOUT_MAX_BYTES)
        throw new StasisError(
          'host.output-too-long',
          `${argv[0]} printed more than ${STDOUT_MAX_BYTES} bytes.`,
        );
      chunks.push(chunk);
    }
    const result = await spawned.ended;
    judge();
    return { ...result, stdout: Buffer.concat(chunks).toString('utf8') };
  } catch (error) {
    spawned.kill();
    await spawned.ended.catch(() => undefined);
    judge();
    throw error;
  }
}
