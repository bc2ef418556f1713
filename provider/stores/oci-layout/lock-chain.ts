/**
 * A lock that ends with its holder, on any file system with hard links and atomic renames. It is a folder of files
 * with ascending numbers; the file with the highest number says who holds it, or that it is free. Who wants it links
 * a file with the next number, which succeeds for one only. The highest file is never removed, so a slow contender
 * can neither take a number again nor take away another's lock: that is the race of schemes that delete stale locks.
 */
import { randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Context } from '../../core/context.ts';
import { StasisError, throwIfAborted } from '../../core/errors.ts';
import { sleep } from '../../core/wait.ts';
import { exists, folderTimeMs, isCode, linkNew, throughTemporary, touch } from './durable.ts';
import { livenessOf, type ProcessIdentity, thisProcess } from './holder.ts';

/** A holder whose process cannot be looked at is dead when it has not touched its file for this long. */
const EXPIRY_MS = 120_000;
const HEARTBEAT_MS = 10_000;
/** Old numbers that stay: a contender would have to sleep through as many holders to take one again. */
const KEPT_NUMBERS = 16;
const FIRST_WAIT_MS = 5;
const LAST_WAIT_MS = 200;

interface LockRecord extends ProcessIdentity {
  readonly token: string;
  readonly what: string;
  /** ISO 8601; for people. */
  readonly since: string;
  readonly released?: true;
}

/** A lock that this process holds. Disposal releases it; idempotent. */
export interface HeldLock extends AsyncDisposable {
  /** Unique to this holding of it. */
  readonly token: string;
  /** Whether it is still ours: another host may have held us for dead while we were suspended. */
  isHeld(): Promise<boolean>;
}

export interface LockRequest {
  /** The folder of this lock's files. */
  readonly folder: string;
  readonly temporary: string;
  /** For the message to others: `the name "shop"`. */
  readonly what: string;
  readonly waitMs: number;
}

/** @throws StasisError `store.busy`, naming the holder, when it is not free within `waitMs` */
export async function acquireLock(
  request: LockRequest,
  context: Pick<Context, 'signal' | 'clock'>,
): Promise<HeldLock> {
  const deadline = context.clock.nowNs() + request.waitMs * 1e6;
  for (let waitMs = FIRST_WAIT_MS; ; waitMs = Math.min(waitMs * 1.5, LAST_WAIT_MS)) {
    throwIfAborted(context.signal);
    const outcome = await tryAcquire(request);
    if ('lock' in outcome) return outcome.lock;
    if (context.clock.nowNs() >= deadline) throw busy(request.what, outcome.holder);
    await sleep(waitMs * (0.5 + Math.random() / 2), context.signal);
  }
}

/** The tokens of all locks under `locks` whose holders are not known to be dead. */
export async function liveTokens(locks: string): Promise<ReadonlySet<string>> {
  const tokens = new Set<string>();
  for (const name of await readdir(locks)) {
    const last = await lastRecord(join(locks, name));
    if (last !== undefined && (await isHeldBy(last.record, last.file))) tokens.add(last.record.token);
  }
  return tokens;
}

/** The record that counts. An unreadable one is what a power cut left, and nobody's. */
async function lastRecord(folder: string): Promise<{ record: LockRecord; file: string } | undefined> {
  for (;;) {
    const number = await highest(folder);
    if (number === undefined) return undefined;
    const file = join(folder, String(number));
    const record = await readRecord(file);
    if (record === 'unreadable') return undefined;
    // Gone between the two looks: there is a higher one now.
    if (record !== undefined) return { record, file };
  }
}

type Outcome = { readonly lock: HeldLock } | { readonly holder: LockRecord | undefined };

async function tryAcquire(request: LockRequest): Promise<Outcome> {
  await mkdir(request.folder, { recursive: true });
  const number = (await highest(request.folder)) ?? 0;
  if (number > 0) {
    const file = join(request.folder, String(number));
    const record = await readRecord(file);
    // It was renewed or cleaned up between the two looks: look again.
    if (record === undefined) return { holder: undefined };
    if (record === 'unreadable') {
      if (!(await hasExpired(file))) return { holder: undefined };
    } else if (await isHeldBy(record, file)) return { holder: record };
  }
  return link(request, number + 1);
}

async function link(request: LockRequest, number: number): Promise<Outcome> {
  const { folder, temporary } = request;
  const record: LockRecord = {
    ...(await thisProcess()),
    token: randomBytes(12).toString('hex'),
    what: request.what,
    since: new Date().toISOString(),
  };
  const file = join(folder, String(number));
  const linked = await putUnsynced(record, temporary, (written) => linkNew(written, file));
  if (!linked) return { holder: undefined };
  if ((await highest(folder)) !== number) {
    await rm(file, { force: true });
    return { holder: undefined };
  }
  await removeOld(folder, number);
  return { lock: new FileLock(file, record, temporary) };
}

class FileLock implements HeldLock {
  readonly token: string;
  readonly #file: string;
  readonly #record: LockRecord;
  readonly #temporary: string;
  readonly #heartbeat: NodeJS.Timeout;
  #held = true;

  constructor(file: string, record: LockRecord, temporary: string) {
    this.token = record.token;
    this.#file = file;
    this.#record = record;
    this.#temporary = temporary;
    this.#heartbeat = setInterval(() => void touch(file).catch(() => {}), HEARTBEAT_MS).unref();
  }

  async isHeld(): Promise<boolean> {
    if (!this.#held) return false;
    const record = await readRecord(this.#file);
    if (record === undefined || record === 'unreadable' || record.token !== this.token) return false;
    return !(await exists(join(this.#file, '..', String(Number(this.#file.split('/').at(-1)) + 1))));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#held) return;
    this.#held = false;
    clearInterval(this.#heartbeat);
    try {
      const released: LockRecord = { ...this.#record, released: true };
      await putUnsynced(released, this.#temporary, (written) => rename(written, this.#file));
    } catch (error) {
      // On a full disk removing it releases it as well; where the folder is gone, so is the lock.
      if (!isCode(error, 'ENOENT')) await rm(this.#file, { force: true });
    }
  }
}

/** A lock need not survive a power cut: nobody who held it does. */
function putUnsynced<T>(
  record: LockRecord,
  temporary: string,
  use: (written: string) => Promise<T>,
): Promise<T> {
  return throughTemporary(JSON.stringify(record), temporary, use, false);
}

async function isHeldBy(record: LockRecord, file: string): Promise<boolean> {
  if (record.released === true) return false;
  const liveness = await livenessOf(record);
  if (liveness !== 'unknown') return liveness === 'alive';
  return !(await hasExpired(file));
}

async function hasExpired(file: string): Promise<boolean> {
  try {
    const { mtimeMs } = await stat(file);
    return (await folderTimeMs(join(file, '..'))) - mtimeMs > EXPIRY_MS;
  } catch (error) {
    if (isCode(error, 'ENOENT')) return false;
    throw error;
  }
}

async function readRecord(file: string): Promise<LockRecord | 'unreadable' | undefined> {
  try {
    const record: unknown = JSON.parse(await readFile(file, 'utf8'));
    const isRecord = typeof record === 'object' && record !== null && 'token' in record && 'pid' in record;
    return isRecord ? (record as LockRecord) : 'unreadable';
  } catch (error) {
    if (isCode(error, 'ENOENT')) return undefined;
    if (isCode(error, 'EACCES', 'EIO', 'EPERM')) throw error;
    return 'unreadable';
  }
}

async function highest(folder: string): Promise<number | undefined> {
  const numbers = await numbersIn(folder);
  return numbers.length === 0 ? undefined : Math.max(...numbers);
}

async function numbersIn(folder: string): Promise<number[]> {
  try {
    return (await readdir(folder)).filter((name) => /^[1-9][0-9]*$/.test(name)).map(Number);
  } catch (error) {
    if (isCode(error, 'ENOENT', 'ENOTDIR')) return [];
    throw error;
  }
}

async function removeOld(folder: string, held: number): Promise<void> {
  for (const number of await numbersIn(folder))
    if (number <= held - KEPT_NUMBERS) await rm(join(folder, String(number)), { force: true });
}

function busy(what: string, holder: LockRecord | undefined): StasisError {
  const by =
    holder === undefined
      ? 'another process'
      : `process ${holder.pid} on ${holder.hostname} since ${holder.since}`;
  return new StasisError('store.busy', `${what} is in use by ${by}.`, {
    hint: 'Wait until it is done, or end that process; a dead one does not keep it.',
    details: holder === undefined ? {} : { pid: holder.pid, hostname: holder.hostname },
  });
}
