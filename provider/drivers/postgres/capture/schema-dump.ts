import { StasisError } from '../../../core/errors.ts';
import type { Host } from '../../../core/host.ts';
import { type Clients, clientEnvironment } from '../connect/clients.ts';
import type { Place } from '../connect/place.ts';

/**
 * Everything but rows, in pg_dump's custom format. Owners and grants are in it; tablespaces are not, as they name
 * folders of the source's machine; subscriptions are not, as a copy that subscribes would take the original's
 * changes away; large objects are dumped with their content.
 */
const SCHEMA_ONLY = [
  ...['--section=pre-data', '--section=post-data', '--no-tablespaces', '--no-subscriptions', '--no-blobs'],
];
/** To pg_dump, all that concerns large objects is data: their owners, grants and comments too. */
const LARGE_OBJECTS_ONLY = ['--data-only', '--exclude-table=*.*', '--blobs'];

export interface DumpSource {
  readonly clients: Clients;
  readonly host: Host;
  readonly place: Place;
  readonly database: string;
  readonly lockTimeoutMs: number;
  readonly signal: AbortSignal;
}

export function dumpSchema(source: DumpSource): AsyncGenerator<Uint8Array> {
  return dump(source, SCHEMA_ONLY);
}

export function dumpLargeObjects(source: DumpSource, snapshotId: string): AsyncGenerator<Uint8Array> {
  return dump(source, [...LARGE_OBJECTS_ONLY, `--snapshot=${snapshotId}`]);
}

async function* dump(source: DumpSource, args: readonly string[]): AsyncGenerator<Uint8Array> {
  const { clients, host, place, database, signal } = source;
  const argv = [
    ...[clients.pgDump, '--format=custom', '--compress=0', '--no-password'],
    ...[`--lock-wait-timeout=${source.lockTimeoutMs}`, ...args],
  ];
  const spawned = await host.spawn(argv, { signal, env: clientEnvironment(place, database) });
  try {
    yield* spawned.stdout;
    const { status, stderr } = await spawned.ended;
    if (status !== 0) throw dumpFailed(stderr);
  } finally {
    spawned.kill();
    await spawned.ended.catch(() => undefined);
  }
}

function dumpFailed(stderr: string): StasisError {
  const lines = stderr.trim().split('\n');
  const said = (lines.find((line) => /error:/.test(line)) ?? lines.at(-1) ?? '').replace(
    /^pg_dump: (error: )?/,
    '',
  );
  // pg_dump's --lock-wait-timeout is a statement_timeout for its LOCK TABLE.
  const locked = /(lock|statement) timeout|could not obtain lock/.test(said);
  return new StasisError(
    locked ? 'postgres.lock-timeout' : 'postgres.dump-failed',
    `pg_dump failed: ${said.replace(/\.$/, '')}.`,
    {
      hint: locked
        ? 'Capture when no schema change runs, or raise lockTimeoutMs.'
        : 'See that the login may read all that is captured.',
    },
  );
}
