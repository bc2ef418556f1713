import { StasisError } from '../../../core/errors.ts';
import type { Host } from '../../../core/host.ts';
import { type Clients, clientEnvironment, connectionString } from '../connect/clients.ts';
import type { Place } from '../connect/place.ts';
import { Watched } from '../connect/watched.ts';

/** Where an archive of pg_dump is loaded, and by what. */
export interface LoadInto {
  readonly clients: Clients;
  readonly host: Host;
  readonly place: Place;
  readonly database: string;
  readonly serverMajor: number;
  readonly signal: AbortSignal;
}

/** What pg_restore sets at the start of each session since 17, and no earlier server knows. */
const UNKNOWN_BEFORE_17 = 'SET transaction_timeout = 0;';

/** Loads an archive, or the part of it that `args` say, into the database. The archive is a file, or comes by stdin. */
export async function loadArchive(
  into: LoadInto,
  args: readonly string[],
  archive: { readonly file: string } | { readonly stream: AsyncIterable<Uint8Array> },
): Promise<void> {
  const tolerant = into.clients.major >= 17 && into.serverMajor < 17;
  const argv = [
    ...[into.clients.pgRestore, '--no-password', `--dbname=${connectionString(into.database)}`],
    ...(tolerant ? [] : ['--exit-on-error']),
    ...args,
    ...('file' in archive ? [archive.file] : []),
  ];
  const source = 'stream' in archive ? new Watched(archive.stream) : undefined;
  const spawned = await into.host.spawn(argv, {
    signal: into.signal,
    env: clientEnvironment(into.place, into.database),
    stdin: source,
  });
  for await (const _ of spawned.stdout);
  const { status, stderr } = await spawned.ended;
  source?.check();
  if (status !== 0 && !(tolerant && onlyUnknownSetting(stderr))) throw loadFailed(stderr);
}

/** The SQL of an archive, for a session of ours. */
export async function* scriptOf(
  into: LoadInto,
  args: readonly string[],
  archive: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  const source = new Watched(archive);
  const spawned = await into.host.spawn([into.clients.pgRestore, '--file=-', ...args], {
    signal: into.signal,
    stdin: source,
  });
  let beginning = into.serverMajor < 17;
  for await (const chunk of spawned.stdout) {
    if (!beginning) {
      yield chunk;
      continue;
    }
    // The first kilobytes come at once, and the settings are within them.
    const script = Buffer.from(chunk).toString('latin1');
    yield Buffer.from(script.replace(UNKNOWN_BEFORE_17, ''), 'latin1');
    beginning = false;
  }
  const { status, stderr } = await spawned.ended;
  source.check();
  if (status !== 0) throw loadFailed(stderr);
}

/**
 * A script of large objects without the transactions of its own, for a session that has one open already. Their
 * content is in it as hexadecimal digits, so no line of theirs can look like one of these.
 */
export async function* withoutTransactions(script: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of script) {
    const all = Buffer.concat([rest, chunk]);
    const end = all.lastIndexOf(10) + 1;
    rest = all.subarray(end);
    yield Buffer.from(
      all
        .subarray(0, end)
        .toString('latin1')
        .replace(/^(BEGIN|COMMIT);$/gm, ''),
      'latin1',
    );
  }
  yield rest;
}

/**
 * pg_restore went on after errors, once for each of its sessions: all must be of the one setting. Its own count of
 * errors is of another kind where several sessions work. These write at the same time: program, severity and message
 * are one write each (PostgreSQL's logging.c), so that what they say is whole, and need not begin a line.
 */
export function onlyUnknownSetting(stderr: string): boolean {
  const errors = stderr.match(/\berror: /g)?.length ?? 0;
  const ours = stderr.split(`Command was: ${UNKNOWN_BEFORE_17}`).length - 1;
  return errors > 0 && errors === ours;
}

function loadFailed(stderr: string): StasisError {
  const lines = stderr.trim().split('\n');
  const errors = lines.filter((line) => /error:/.test(line) && !line.includes('transaction_timeout'));
  const said = (errors[0] ?? lines.at(-1) ?? '')
    .replace(/^pg_restore: (error: )?/, '')
    .replace(/^could not execute query: /, '');
  return new StasisError('postgres.load-failed', `pg_restore failed: ${said.replace(/\.$/, '')}.`, {
    hint: /permission denied|must be (member|owner)|must be superuser/.test(said)
      ? 'Give the login the rights that are missing.'
      : undefined,
  });
}
