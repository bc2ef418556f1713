import { hashedAgain } from '../../core/blobs.ts';
import type { Context } from '../../core/context.ts';
import type { Held, RestoreOptions } from '../../core/driver.ts';
import { StasisError, throwIfAborted } from '../../core/errors.ts';
import type { Fingerprint } from '../../core/fingerprint.ts';
import type { BlobReader } from '../../core/store.ts';
import { aclUsers, ruleArguments } from './acl.ts';
import { type Command, Connection, ReplyError } from './connection.ts';
import type { CapturedContent } from './content.ts';
import { LOADING_KEY, RESTORE_KEY } from './fingerprint-key.ts';
import { fingerprintOfServer } from './fingerprint-live.ts';
import { loadByFollowing } from './follow/following.ts';
import { factsOf, readInfo, type ServerFacts } from './info.ts';
import type { JournalEntry } from './journal.ts';
import { chooseLayout, type Layout, type Occupancy, type RestoreNote, readOccupancy } from './layout.ts';
import { capturedLibraries, type Library } from './libraries.ts';
import { loadKeys } from './loader.ts';
import { refuseKind } from './plan.ts';
import { RedisAnswers } from './probe.ts';
import { replyProblem } from './problems.ts';
import { checkRights } from './rights.ts';
import { rollBack } from './roll-back.ts';
import type { RedisSpec } from './spec.ts';

const RESTORE_NAME = 'stasis-restore';
/** Rolling back must end, whatever became of the rest. */
const ROLL_BACK_MS = 60_000;
/** A swap is quick; emptying what was replaced goes on behind. */
const RELEASE_MS = 30_000;

interface Parts {
  readonly spec: RedisSpec;
  readonly connection: Connection;
  readonly context: Context;
  readonly options: RestoreOptions;
  readonly facts: ServerFacts;
  readonly target: Occupancy;
  readonly layout: Layout;
  readonly libraries: readonly Library[];
  readonly users: readonly string[];
  readonly shiftMs: number;
  readonly entry: JournalEntry;
}

/** A capture that is loaded into a target and not yet released. */
export class RestoredTarget implements Held {
  /** A database that the capture has nothing for will be empty: a free one answers for it. */
  readonly answers: RedisAnswers;
  private readonly parts: Parts;
  private released = false;
  private disposed = false;

  private constructor(parts: Parts) {
    this.parts = parts;
    const { layout, target, spec } = parts;
    const loaded = [...layout.loadInto.values()];
    const empty = target.free.find((db) => !loaded.includes(db));
    this.answers = new RedisAnswers(spec, (db) => layout.loadInto.get(db) ?? empty);
  }

  static async load(
    spec: RedisSpec,
    content: CapturedContent,
    blobs: BlobReader,
    options: RestoreOptions,
    context: Context,
  ): Promise<RestoredTarget> {
    const connection = await Connection.open(spec, context.signal);
    try {
      const parts = await prepare(spec, connection, content, blobs, options, context);
      await options.journal(parts.entry);
      const restored = new RestoredTarget(parts);
      try {
        await restored.fill(content, blobs);
        return restored;
      } catch (error) {
        await restored[Symbol.asyncDispose]();
        throw error;
      }
    } catch (error) {
      await connection[Symbol.asyncDispose]();
      throw error;
    }
  }

  fingerprint(): Fingerprint {
    const { spec, layout, target, libraries, users, shiftMs, context } = this.parts;
    const leaving = [...target.libraries.keys()].filter(
      (name) => !libraries.some((library) => library.name === name),
    );
    return fingerprintOfServer(spec, context, {
      databases: [...layout.loadInto].map(([as, db]) => ({ db, as })),
      users,
      withoutLibraries: leaving,
      shiftMs,
    });
  }

  /** All databases take their places in one transaction: clients see the old state or the new one. */
  async release(): Promise<void> {
    if (this.released) return;
    const { connection, entry, context } = this.parts;
    const replies = await connection.pipeline([['MULTI'], ...this.releaseCommands(), ['EXEC']], {
      timeoutMs: RELEASE_MS,
    });
    const refused = replies.find((reply) => reply instanceof ReplyError);
    if (refused instanceof ReplyError) throw replyProblem(['EXEC'], refused);
    this.released = true;
    try {
      // What was replaced lies where the new state was loaded. New ACL users stay only where the server has a file.
      await rollBack(connection, entry, AbortSignal.timeout(RELEASE_MS));
      if (entry.users.length > 0) await connection.attempt(['ACL', 'SAVE']);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      context.logger.log('warn', 'what was replaced is still on the target; the next restore removes it', {
        reason,
      });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.disposed) return;
    this.disposed = true;
    const { connection, spec, entry } = this.parts;
    await this.answers[Symbol.asyncDispose]();
    await connection[Symbol.asyncDispose]();
    if (this.released) return;
    const signal = AbortSignal.timeout(ROLL_BACK_MS);
    await using another = await Connection.open(spec, signal);
    await rollBack(another, entry, signal);
  }

  private async fill(content: CapturedContent, blobs: BlobReader): Promise<void> {
    const { connection, context, facts, layout, libraries, target, shiftMs } = this.parts;
    const { signal } = context;
    await connection.attempt(['CLIENT', 'SETNAME', RESTORE_NAME], { signal });
    const followed = await loadByFollowing({ ...this.parts, content, blobs });
    if (!followed) await this.markDatabases();
    for (const { name, code } of libraries)
      if (!target.libraries.get(name)?.equals(code))
        await connection.call(['FUNCTION', 'LOAD', 'REPLACE', code], { signal });
    await this.makeUsers(content, blobs);
    if (!followed)
      await loadKeys(connection, content, blobs, { facts, loadInto: layout.loadInto, shiftMs, context });
  }

  private async markDatabases(): Promise<void> {
    const { connection, layout, options, context } = this.parts;
    for (const db of layout.loadInto.values()) {
      await connection.call(['SELECT', String(db)], { signal: context.signal });
      await connection.call(['SET', LOADING_KEY, options.restoreId], { signal: context.signal });
    }
  }

  /** A rule that this server does not know leaves its user out; the comparison then names it. */
  private async makeUsers(content: CapturedContent, blobs: BlobReader): Promise<void> {
    const { connection, context, entry } = this.parts;
    for (const { name, rules } of await capturedUsers(content, blobs)) {
      if (!entry.users.includes(name)) continue;
      const command = ['ACL', 'SETUSER', name, ...ruleArguments(rules)].map((part) =>
        Buffer.from(part, 'latin1'),
      );
      const reply = await connection.attempt(command, { signal: context.signal });
      if (reply instanceof ReplyError)
        context.logger.log('warn', 'the target does not take an ACL user', {
          user: name,
          reason: reply.code,
        });
    }
  }

  private releaseCommands(): Command[] {
    const { layout, libraries, target, options, users, shiftMs } = this.parts;
    const commands: Command[] = [];
    for (const [db, loaded] of layout.loadInto) {
      commands.push(['SELECT', String(loaded)], ['UNLINK', LOADING_KEY]);
      if (!layout.beside) continue;
      commands.push(
        ['SWAPDB', String(db), String(loaded)],
        ['SELECT', String(loaded)],
        ['SET', LOADING_KEY, options.restoreId],
      );
    }
    for (const db of layout.emptied) commands.push(['SELECT', String(db)], ['FLUSHDB', 'ASYNC']);
    for (const name of target.libraries.keys())
      if (!libraries.some((library) => library.name === name)) commands.push(['FUNCTION', 'DELETE', name]);
    const note: RestoreNote = { id: options.restoreId, shiftMs, users };
    return [...commands, ['SELECT', '0'], ['SET', RESTORE_KEY, JSON.stringify(note)]];
  }
}

async function prepare(
  spec: RedisSpec,
  connection: Connection,
  content: CapturedContent,
  blobs: BlobReader,
  options: RestoreOptions,
  context: Context,
): Promise<Parts> {
  const { signal } = context;
  const info = await readInfo(connection, signal);
  refuseKind(info);
  const facts = factsOf(info);
  const target = await readCleaned(connection, facts, options.restoreId, signal);
  if (target.occupied.length > 0 && !options.overwrite)
    throw new StasisError('restore.target-not-empty', 'The target is not empty.', {
      hint: 'Give an empty target, or set overwrite to replace what is there.',
    });
  const layout = chooseLayout(content.databases, target, await maySwap(connection, signal));
  const libraries = await capturedLibraries(content, blobs);
  const users = content.userRights.map(({ name }) => name);
  throwIfAborted(signal);
  const entry: JournalEntry = {
    kind: 'restore',
    restoreId: options.restoreId,
    databases: [...layout.loadInto.values()],
    made: libraries.filter(({ name }) => !target.libraries.has(name)).map(({ name }) => name),
    replaced: Object.fromEntries(
      libraries
        .filter(({ name, code }) => target.libraries.get(name)?.equals(code) === false)
        .map(({ name }) => [name, target.libraries.get(name)!.toString('latin1')]),
    ),
    users: await missingUsers(connection, users, signal),
  };
  // One moment for all keys: what a key had left at the cut, it has left then.
  const shiftMs = options.expiry === 'remaining' ? context.clock.wallMs() - options.cutAtMs : 0;
  return { spec, connection, context, options, facts, target, layout, libraries, users, shiftMs, entry };
}

/** What is on the target, without what an earlier try of this restore, or the end of a finished one, has left there. */
async function readCleaned(
  connection: Connection,
  facts: ServerFacts,
  restoreId: string,
  signal: AbortSignal,
): Promise<Occupancy> {
  const target = await readOccupancy(connection, facts, signal);
  const left = [...target.marked].filter(([, id]) => id === restoreId || id === target.note?.id);
  if (left.length === 0) return target;
  for (const [db] of left) {
    await connection.call(['SELECT', String(db)], { signal });
    await connection.call(['FLUSHDB', 'ASYNC'], { signal });
  }
  return readOccupancy(connection, factsOf(await readInfo(connection, signal)), signal);
}

export async function maySwap(connection: Connection, signal: AbortSignal): Promise<boolean> {
  const rights = await checkRights(connection, [['SWAPDB', '0', '1']], signal);
  return rights[0] === 'granted' || rights[0] === 'untold';
}

/** A user that the target has keeps its rules and password: a restore must not lock anybody out. */
async function missingUsers(
  connection: Connection,
  users: readonly string[],
  signal: AbortSignal,
): Promise<string[]> {
  const replies = await connection.pipeline(
    users.map((name): Command => ['ACL', 'GETUSER', Buffer.from(name, 'latin1')]),
    { signal },
  );
  return users.filter((_name, index) => replies[index] === null);
}

async function capturedUsers(
  content: CapturedContent,
  blobs: BlobReader,
): Promise<ReturnType<typeof aclUsers>> {
  if (content.users === undefined) return [];
  const chunks: Uint8Array[] = [];
  // Nothing else would notice another content: passwords are in no fingerprint.
  for await (const chunk of hashedAgain(blobs, content.users)) chunks.push(chunk);
  return aclUsers(Buffer.concat(chunks).toString('latin1').split('\n'));
}
