import { StasisError } from '../../../core/errors.ts';
import type { Host } from '../../../core/host.ts';
import { Watched } from './watched.ts';

const COMMAND_MS = 30_000;

/**
 * A folder of ours on the member's host, readable by us alone: a parallel pg_restore must be able to seek in its
 * archive. Only archives of schemas go there, never rows and never a password of ours.
 */
export class HostFolder implements AsyncDisposable {
  readonly path: string;
  private readonly host: Host;

  private constructor(host: Host, path: string) {
    this.host = host;
    this.path = path;
  }

  static async make(host: Host, signal: AbortSignal): Promise<HostFolder> {
    const made = await host.run(['mktemp', '-d', '-t', 'stasis-postgres-XXXXXXXX'], {
      signal,
      timeoutMs: COMMAND_MS,
    });
    if (made.status !== 0) throw refused(host, 'a temporary folder', made.stderr);
    return new HostFolder(host, made.stdout.trim());
  }

  /** Writes a file, streaming. Returns its path. */
  async write(name: string, content: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<string> {
    const path = `${this.path}/${name}`;
    const source = new Watched(content);
    const writer = await this.host.spawn(['dd', `of=${path}`, 'bs=1M', 'iflag=fullblock', 'status=none'], {
      signal,
      stdin: source,
    });
    for await (const _ of writer.stdout);
    const { status, stderr } = await writer.ended;
    source.check();
    if (status !== 0) throw refused(this.host, path, stderr);
    return path;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await removeFolder(this.host, this.path);
  }
}

/** Idempotent. Refuses what does not look like a folder of ours. */
export async function removeFolder(host: Host, path: string): Promise<void> {
  if (!/\/stasis-postgres-\w{8}$/.test(path)) return;
  const signal = AbortSignal.timeout(COMMAND_MS);
  await host.run(['rm', '-rf', '--', path], { signal, timeoutMs: COMMAND_MS }).catch(() => undefined);
}

function refused(host: Host, what: string, stderr: string): StasisError {
  return new StasisError(
    'postgres.host-folder',
    `${what} cannot be written on ${host.name}: ${stderr.trim()}.`,
    {
      hint: 'Make space in, or give the right to write to, the temporary folder.',
    },
  );
}
