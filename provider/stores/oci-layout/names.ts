import { StasisError } from '../../core/errors.ts';
import type { NameRecord, Pin } from '../../core/store.ts';
import type { Documents } from './documents.ts';
import type { ListedSnapshot } from './index-file.ts';

const FORMAT_VERSION = 1;

/** What the store keeps of a name besides its snapshots. */
export interface NameDocument {
  readonly formatVersion: number;
  /** Empty when nobody owns it: another tool has put it here. */
  readonly owner: string;
  /** The highest generation that was ever sealed and then removed: no number is given twice. */
  readonly lastGeneration: number;
  readonly pins: readonly Pin[];
}

export const UNOWNED: NameDocument = {
  formatVersion: FORMAT_VERSION,
  owner: '',
  lastGeneration: 0,
  pins: [],
};

/** @throws StasisError `store.newer-format`, `store.damaged` */
export async function readName(names: Documents, name: string): Promise<NameDocument> {
  const value = await names.read(name);
  if (value === undefined) return UNOWNED;
  const document = value as NameDocument;
  if (document.formatVersion > FORMAT_VERSION)
    throw new StasisError(
      'store.newer-format',
      `The record of the name "${name}" has format version ${document.formatVersion}; this Stasis knows ${FORMAT_VERSION}.`,
      { hint: 'Use the version of Stasis that wrote it, or a newer one.' },
    );
  return document;
}

/** A name without a snapshot belongs to nobody: its first one may have been lost before it was sealed. */
export function ownerOf(document: NameDocument, snapshots: readonly ListedSnapshot[]): string {
  return snapshots.length === 0 ? '' : document.owner;
}

/** @throws StasisError `store.owned` */
export function refuseOtherOwner(name: string, owner: string, current: string): void {
  if (current === '' || current === owner) return;
  throw new StasisError('store.owned', `The name "${name}" belongs to another resource in this store.`, {
    hint: 'Choose another name, or take this one over: import it, or "stasis capture --adopt".',
    at: ['name'],
    details: { owner: current },
  });
}

export function recordOf(document: NameDocument, snapshots: readonly ListedSnapshot[]): NameRecord {
  return {
    owner: document.owner,
    pins: document.pins,
    generations: snapshots.map(({ name, generation, digest, cutAt }) => ({
      name,
      generation,
      digest,
      cutAt,
    })),
  };
}
