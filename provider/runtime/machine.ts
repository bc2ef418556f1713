import { randomUUID } from 'node:crypto';
import { watchedContent } from '../core/content.ts';
import { StasisError } from '../core/errors.ts';
import type { Host } from '../core/host.ts';

const SCRIPT_MS = 30_000;

/**
 * Runs a POSIX shell script of ours on the host; what varies reaches it as its arguments only.
 * @throws StasisError `runtime.host-failed` with what it printed, when it ends with a status other than 0
 */
export async function runScript(
  host: Host,
  script: string,
  args: readonly string[],
  options: { readonly signal: AbortSignal; readonly timeoutMs?: number },
): Promise<string> {
  const { signal, timeoutMs = SCRIPT_MS } = options;
  const result = await host.run(['sh', '-c', script, 'stasis', ...args], { signal, timeoutMs });
  if (result.status === 0) return result.stdout;
  const said = result.stderr.trim().split('\n')[0] ?? '';
  throw new StasisError(
    'runtime.host-failed',
    `A step on ${host.name} failed: ${said || `status ${result.status}`}.`,
    {
      details: { status: result.status, said: result.stderr.trim() },
    },
  );
}

/** Like `runScript`; the script calls `part NAME` before each of the parts that it prints. */
export async function runParts(
  host: Host,
  script: string,
  args: readonly string[],
  signal: AbortSignal,
): Promise<ReadonlyMap<string, string>> {
  // What is printed may hold anything; a mark that nobody knew before tells the parts.
  const mark = randomUUID();
  const printed = await runScript(host, `part() { printf '\\n%s %s\\n' ${mark} "$*"; }\n${script}\n:`, args, {
    signal,
  });
  const parts = new Map<string, string>();
  for (const piece of printed.split(`\n${mark} `).slice(1)) {
    const end = piece.indexOf('\n');
    parts.set(piece.slice(0, end), piece.slice(end + 1));
  }
  return parts;
}

/** A file of the host, streamed. */
export async function* readHostFile(
  host: Host,
  path: string,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const spawned = await host.spawn(['cat', '--', path], { signal });
  yield* spawned.stdout;
  const { status, stderr } = await spawned.ended;
  if (status !== 0)
    throw new StasisError('runtime.host-failed', `${path} cannot be read on ${host.name}: ${stderr.trim()}.`);
}

/** Runs a command of the host that takes this content in. What the content throws is thrown as it is. */
export async function feed(
  host: Host,
  argv: readonly string[],
  content: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): Promise<void> {
  let failure: { readonly error: unknown } | undefined;
  const watched = watchedContent(content, (error) => {
    failure = { error };
  });
  const spawned = await host.spawn(argv, { signal, stdin: watched });
  for await (const _ of spawned.stdout);
  const { status, stderr } = await spawned.ended;
  if (failure) throw failure.error;
  if (status === 0) return;
  throw new StasisError('runtime.host-failed', `${argv[0]} failed on ${host.name}: ${stderr.trim()}.`, {
    hint: 'Look whether there is room for what it writes.',
  });
}

/** What a command of the host prints, streamed. @throws StasisError `runtime.host-failed` with what it said */
export async function* streamOf(
  host: Host,
  argv: readonly string[],
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const spawned = await host.spawn(argv, { signal });
  yield* spawned.stdout;
  const { status, stderr } = await spawned.ended;
  if (status === 0) return;
  const said = stderr.trim().split('\n').at(-1) ?? '';
  throw new StasisError(
    'runtime.host-failed',
    `A step on ${host.name} failed: ${said || `status ${status}`}.`,
    {
      details: { status, said: stderr.trim() },
    },
  );
}
