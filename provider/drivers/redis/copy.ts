import type { Context } from '../../core/context.ts';
import { StasisError } from '../../core/errors.ts';
import type { Capture } from '../../core/manifest.ts';
import type { BlobDescriptor, Blobs } from '../../core/store.ts';
import { aclUsers } from './acl.ts';
import { type CapturedContent, CONTENT_VERSION, libraryName } from './content.ts';
import { formatCount } from './counts.ts';
import { outsideOf } from './coverage.ts';
import { isOwnKey } from './fingerprint-key.ts';
import { factsOf, productName } from './info.ts';
import { positionIn } from './log-position.ts';
import type { ForkMark } from './marker.ts';
import { NEWEST_VERSION, RdbReader, type RdbRecord } from './rdb/reader.ts';
import { moduleNameOf } from './rdb/skip.ts';
import { RDB_TYPE } from './rdb/types.ts';
import type { ServerSetting } from './server-settings.ts';

export interface Copied {
  readonly capture: Capture;
  readonly content: CapturedContent;
}

/**
 * Copies the RDB of a fork into the store, and reads it on the way: it must be whole, and its own note of where in the
 * server's history it was taken must be the mark's.
 *
 * @throws StasisError `cut.lost` when it breaks off, or is of another instant than the mark
 */
export async function copyRdb(
  mark: ForkMark,
  blobs: Blobs,
  usersOutside: string | undefined,
  settings: readonly ServerSetting[],
  context: Context,
): Promise<Copied> {
  const summary = new Summary();
  const totalBytes = await mark.sync.sizeBytes;
  context.logger.log('debug', 'the RDB is coming', { totalBytes });
  const stored = await blobs.put(summary.through(mark.sync.rdb()), { chunking: 'content' });
  insistOnMark(mark, summary.aux);
  const { aclList } = mark.after;
  // From before the SYNC, which is a replica of its own while it lasts.
  const { info } = mark.before;
  const facts = factsOf(info);
  const lines = aclList.map((line) => line.toString('latin1'));
  const users = usersOutside === undefined ? await putLines(blobs, lines) : undefined;
  const content: CapturedContent = {
    rdb: stored.digest,
    rdbBytes: stored.sizeBytes,
    rdbVersion: summary.version,
    types: [...summary.types].sort((a, b) => a - b),
    keys: summary.keys,
    databases: [...summary.databases].sort((a, b) => a - b),
    functions: summary.functions,
    modules: [...summary.modules].sort(),
    users: users?.digest,
    userRights: users ? aclUsers(lines).map(({ name, rights }) => ({ name, rights })) : [],
    settings: [...settings],
    usedMemoryBytes: facts.usedMemoryBytes,
  };
  const position = positionIn(summary.aux);
  const capture: Capture = {
    contentVersion: CONTENT_VERSION,
    content,
    sizeBytes: stored.sizeBytes,
    summary: describe(content),
    coverage: { layers: ['data'], outside: outsideOf(info, [...summary.moduleAux].sort(), usersOutside) },
    system: {
      product: facts.product,
      version: facts.version,
      name: productName(facts),
      rdbVersion: String(summary.version),
    },
    ...(position && { position }),
  };
  return { capture, content };
}

function describe({ keys, databases, functions }: CapturedContent): string {
  const parts = [formatCount(keys, 'key')];
  if (databases.length > 1) parts.push(formatCount(databases.length, 'database'));
  if (functions.length > 0)
    parts.push(formatCount(functions.length, 'function library', 'function libraries'));
  return parts.join(', ');
}

function putLines(blobs: Blobs, lines: readonly string[]): Promise<BlobDescriptor> {
  const text = Buffer.from(lines.map((line) => `${line}\n`).join(''), 'latin1');
  return blobs.put(
    (async function* () {
      if (text.length > 0) yield text;
    })(),
    { chunking: 'content' },
  );
}

/**
 * The RDB says at which write offset of which history it was forked. A child that is not ours, because somebody
 * else's came in between, shows another one as soon as anything was written.
 */
function insistOnMark({ before, after }: ForkMark, aux: ReadonlyMap<string, string>): void {
  const offset = Number(aux.get('repl-offset') ?? Number.NaN);
  const earliest = before.counters.offset;
  const sameHistory = aux.get('repl-id') === after.counters.replicationId;
  if (sameHistory && offset >= earliest && offset <= after.counters.offset) return;
  throw new StasisError('cut.lost', 'The RDB that came is of another instant than the one marked.', {
    hint: 'Somebody else made the server save or sync at the same moment.',
    at: ['url'],
    details: { earliest, latest: after.counters.offset, offset, sameHistory },
  });
}

/** What an RDB has in it, counted as it passes. */
class Summary {
  version = 0;
  keys = 0;
  readonly types = new Set<number>();
  readonly databases = new Set<number>();
  readonly functions: string[] = [];
  readonly modules = new Set<string>();
  readonly moduleAux = new Set<string>();
  readonly aux = new Map<string, string>();

  async *through(source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    const reader = new RdbReader();
    for await (const chunk of source) {
      for (const record of reader.push(chunk)) this.count(record);
      yield chunk;
    }
    for (const record of reader.finish()) this.count(record);
  }

  private count(record: RdbRecord): void {
    switch (record.kind) {
      case 'header':
        this.version = record.version;
        if (record.version > NEWEST_VERSION[record.product]) throw newer(record.version);
        return;
      case 'aux':
        this.aux.set(record.name, record.value);
        return;
      case 'function':
        this.functions.push(libraryName(record.code));
        return;
      case 'module-aux':
        this.moduleAux.add(record.module);
        return;
      case 'key':
        if (isOwnKey(record.key)) return;
        this.keys += 1;
        this.databases.add(record.db);
        this.types.add(record.type);
        if (record.type === RDB_TYPE.module) this.modules.add(moduleNameOf(record.payload));
    }
  }
}

function newer(version: number): StasisError {
  return new StasisError(
    'redis.rdb-newer',
    `The server writes RDB version ${version}, which is newer than this version of Stasis reads.`,
    {
      hint: 'Update Stasis.',
      at: ['url'],
    },
  );
}
