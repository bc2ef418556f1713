import { randomUUID } from 'node:crypto';
import { StasisError, throwIfAborted } from '../../../core/errors.ts';
import type { Host } from '../../../core/host.ts';

/** A look at a large tree, or a list of all its attributes. */
export const LOOK_MS = 300_000;
const STEP_MS = 30_000;

export interface Gathered {
  readonly status: number;
  readonly stdout: Buffer;
  /** The last 64 KiB. */
  readonly stderr: string;
}

export interface CommandOptions {
  readonly signal?: AbortSignal;
  readonly stdin?: AsyncIterable<Uint8Array>;
  readonly timeoutMs?: number;
}

/** Runs a command to its end; unlike Host.run, what it printed is bytes, as names of files are. */
export async function gather(
  host: Host,
  argv: readonly string[],
  { signal, stdin, timeoutMs = STEP_MS }: CommandOptions,
): Promise<Gathered> {
  const late = AbortSignal.timeout(timeoutMs);
  const both = signal ? AbortSignal.any([signal, late]) : late;
  try {
    const spawned = await host.spawn(argv, { signal: both, stdin });
    const chunks: Uint8Array[] = [];
    for await (const chunk of spawned.stdout) chunks.push(chunk);
    const { status, stderr } = await spawned.ended;
    if (!both.aborted) return { status, stdout: Buffer.concat(chunks), stderr };
  } catch (error) {
    if (!both.aborted) throw error;
  }
  if (signal) throwIfAborted(signal);
  throw new StasisError('host.timeout', `${argv[0]} on ${host.name} did not end within ${timeoutMs} ms.`);
}

/** The bytes of one part of what a script has printed. @throws StasisError `files.failed` where it has not */
export type Part = (name: string) => Buffer;

/** Names of files may hold anything; a mark that nobody knew before tells the parts. */
export const PART = (mark: string): string => `part() { printf '\\n%s %s\\n' ${mark} "$1"; }`;

/**
 * Runs a POSIX shell script of ours, which calls `part NAME` before each of the parts that it prints.
 * @throws StasisError `files.failed` where it ends with a status other than 0
 */
export async function gatherParts(
  host: Host,
  script: string,
  args: readonly string[],
  options: CommandOptions,
): Promise<Part> {
  const mark = randomUUID();
  const text = `${PART(mark)}\n${script}\n:`;
  const { status, stdout, stderr } = await gather(host, ['sh', '-c', text, 'stasis', ...args], options);
  if (status !== 0) throw failed(host, stderr);
  return partsIn(host, stdout, mark, stderr);
}

export function partsIn(host: Host, printed: Buffer, mark: string, stderr: string): Part {
  return (name) => {
    const head = Buffer.from(`\n${mark} ${name}\n`);
    const at = printed.indexOf(head);
    if (at < 0) throw failed(host, stderr);
    const end = printed.indexOf(`\n${mark} `, at + head.length);
    return printed.subarray(at + head.length, end < 0 ? printed.length : end);
  };
}

/** What the C library says of an error, by the code that Node has for it (strerror(3)). */
const CODES: readonly (readonly [string, string])[] = [
  ['No such file or directory', 'ENOENT'],
  ['Not a directory', 'ENOTDIR'],
  ['Permission denied', 'EACCES'],
  ['Operation not permitted', 'EPERM'],
  ['Directory not empty', 'ENOTEMPTY'],
  ['File exists', 'EEXIST'],
  ['Too many levels of symbolic links', 'ELOOP'],
  ['File name too long', 'ENAMETOOLONG'],
  ['No space left on device', 'ENOSPC'],
  ['Read-only file system', 'EROFS'],
];

/** What a command said when a system call of it failed. */
class StepFailed extends Error {
  readonly code: string | undefined;

  constructor(said: string) {
    super(said);
    this.name = 'StepFailed';
    this.code = codeOf(said);
  }
}

export function codeOf(line: string): string | undefined {
  return CODES.find(([said]) => line.trimEnd().endsWith(said))?.[1];
}

/** A command that does one thing. @throws an error with the code of the system call that failed */
export async function step(
  host: Host,
  argv: readonly string[],
  options: CommandOptions = {},
): Promise<Buffer> {
  const { status, stdout, stderr } = await gather(host, argv, options);
  if (status === 0) return stdout;
  const lines = stderr.trim().split('\n');
  const said = lines.find((line) => codeOf(line) !== undefined) ?? lines[0];
  throw new StepFailed(said || `${argv[0]} ended with ${status}`);
}

/** Insists that a command which looked at many entries could look at all that are still there. */
export function insistOnlyGone(host: Host, stderr: string): void {
  const line = stderr.split('\n').find((each) => LOOKERS.test(each) && !GONE.includes(codeOf(each)));
  if (line !== undefined) throw failed(host, line);
}

/** A shell may have something to say besides, as of a locale that is missing. */
const LOOKERS = /^(find|stat|xargs): /;
const GONE: readonly (string | undefined)[] = ['ENOENT', 'ENOTDIR'];

export function failed(host: Host, stderr: string): StasisError {
  const said = stderr.trim().split('\n')[0] || 'it gave no reason';
  return new StasisError('files.failed', `A look at the files on ${host.name} failed: ${said}.`, {
    at: ['path'],
  });
}
