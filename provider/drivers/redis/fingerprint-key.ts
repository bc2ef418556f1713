import { digestContent, digestField, digestGroup } from './content-digest.ts';
import type { FingerprintTable } from './fingerprint-table.ts';
import { fieldObject, groupObject, keyObject } from './names.ts';
import type { HashField, Value } from './value.ts';

/** Keys of our own on a target; no part of its state. */
export const RESTORE_KEY = 'stasis:restore';
export const LOADING_KEY = 'stasis:loading';

export function isOwnKey(key: Buffer): boolean {
  return key.length === 14 && (key.equals(OWN_KEYS[0]) || key.equals(OWN_KEYS[1]));
}

const OWN_KEYS = [Buffer.from(RESTORE_KEY), Buffer.from(LOADING_KEY)] as const;

/**
 * Adds all rows of one key. `shiftMs` is by how much expiry times were moved when it was restored: it is compared as
 * if they had not been, and may vanish when they say.
 */
export function addKey(
  table: FingerprintTable,
  db: number,
  key: Buffer,
  value: Value,
  expireAtMs: number | undefined,
  shiftMs = 0,
): void {
  const expiring: HashField[] = [];
  const kept = value.type === 'hash' ? { ...value, fields: lasting(value.fields, expiring) } : value;
  const { digest, size } = digestContent(kept);
  const ends = [expireAtMs, size === 0 && expiring.length > 0 ? latest(expiring) : undefined];
  const vanishes = ends.filter((end) => end !== undefined);
  table.add({
    object: keyObject(db, key),
    kind: value.type,
    digest,
    size,
    expireAtMs: shifted(expireAtMs, shiftMs),
    mayVanishAtMs: vanishes.length > 0 ? Math.min(...vanishes) : undefined,
  });
  for (const field of expiring)
    table.add({
      object: fieldObject(db, key, field.field),
      kind: 'field',
      digest: digestField(field.value),
      size: field.value.length,
      expireAtMs: shifted(field.expireAtMs, shiftMs),
      mayVanishAtMs: Math.min(field.expireAtMs!, expireAtMs ?? Number.POSITIVE_INFINITY),
    });
  if (value.type !== 'stream') return;
  for (const group of value.groups)
    table.add({
      object: groupObject(db, key, group.name),
      kind: 'group',
      digest: digestGroup(group),
      size: group.pending.length,
      mayVanishAtMs: expireAtMs,
    });
}

/** Passes on the fields that stay, and sets those that expire by themselves apart. */
function* lasting(fields: Iterable<HashField>, expiring: HashField[]): Generator<HashField> {
  for (const field of fields)
    if (field.expireAtMs === undefined) yield field;
    else expiring.push(field);
}

function latest(fields: readonly HashField[]): number {
  return fields.reduce((latestMs, { expireAtMs }) => Math.max(latestMs, expireAtMs ?? 0), 0);
}

function shifted(expireAtMs: number | undefined, shiftMs: number): number | undefined {
  return expireAtMs === undefined ? undefined : expireAtMs - shiftMs;
}
