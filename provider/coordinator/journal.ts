import type { Context } from '../core/context.ts';
import type { Store } from '../core/store.ts';
import { within } from '../core/wait.ts';
import { atMember, type Member, placeOf } from './member.ts';

/** One thing done to a member that has to be undone if we die. */
interface JournalEntry {
  readonly member: string;
  readonly driver: string;
  /** Where, without secrets: whoever sweeps must reach the same place. */
  readonly endpoint: string;
  /** The driver's own. Never a secret. */
  readonly entry: unknown;
}

interface JournalRecord {
  readonly entries: readonly JournalEntry[];
}

const PREFIX = 'journal/';
const UNDO_MS = 60_000;

/**
 * What a restore has done to its members so far, kept in the store: the machine that ran it may never come back. The
 * record goes away once everything is undone or released.
 */
export class Journal {
  private readonly store: Store;
  private readonly key: string;
  private entries: JournalEntry[] = [];
  private writing: Promise<void> = Promise.resolve();

  constructor(store: Store, id: string) {
    this.store = store;
    this.key = `${PREFIX}${id}`;
  }

  /** Durable on return. */
  note(member: Member, entry: unknown): Promise<void> {
    this.entries = [
      ...this.entries,
      {
        member: member.name,
        driver: member.driver.name,
        endpoint: placeOf(member),
        entry,
      },
    ];
    this.writing = this.writing.then(() => this.store.records.write(this.key, { entries: this.entries }));
    return this.writing;
  }

  async close(): Promise<void> {
    await this.writing.catch(() => {});
    await this.store.records.remove(this.key);
  }
}

/**
 * Undoes what dead restores left on these members. Records of other members stay for those who can reach them. The
 * caller holds the store's lock on each of the endpoints, so no living restore is swept.
 */
export async function sweepJournals(
  store: Store,
  members: readonly Member[],
  context: Context,
): Promise<void> {
  for (const key of await store.records.list(PREFIX)) {
    const record = (await store.records.read(key)) as JournalRecord | undefined;
    if (record === undefined) continue;
    const left: JournalEntry[] = [];
    for (const entry of record.entries.toReversed())
      if (!(await undo(entry, members, context))) left.unshift(entry);
    if (left.length === 0) await store.records.remove(key);
    else if (left.length < record.entries.length) await store.records.write(key, { entries: left });
  }
}

/** Whether it was ours to undo, and is undone. */
async function undo(entry: JournalEntry, members: readonly Member[], context: Context): Promise<boolean> {
  const member = members.find((one) => one.driver.name === entry.driver && placeOf(one) === entry.endpoint);
  if (member === undefined) return false;
  context.logger.log('info', 'undoing what a restore that died has left', {
    member: member.name,
    endpoint: entry.endpoint,
  });
  try {
    await within(UNDO_MS, `undoing an earlier restore of ${member.name}`, context.signal, (signal) =>
      member.driver.undo(member.spec, member.host, entry.entry, { ...context, signal }),
    );
    return true;
  } catch (error) {
    throw atMember(member, error);
  }
}
