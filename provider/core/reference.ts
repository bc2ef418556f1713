import { type Digest, isDigest } from './digest.ts';
import { StasisError } from './errors.ts';

/**
 * A snapshot as a user names it: `shop` (the newest), `shop:3` (a generation) or `shop@sha256:…` (exactly one).
 */
export interface Reference {
  readonly name: string;
  readonly generation?: number;
  readonly digest?: Digest;
}

/**
 * A snapshot's name: lower-case letters and digits, with single `-` or `.` between them, at most 100 characters.
 * No slash (a store is not a folder tree) and no underscore (OCI tags of generations use it as separator).
 */
export const NAME_PATTERN = /^[a-z0-9]+(?:[.-][a-z0-9]+)*$/;
export const NAME_MAX_LENGTH = 100;

export function isName(text: string): boolean {
  return text.length <= NAME_MAX_LENGTH && NAME_PATTERN.test(text);
}

/** @throws StasisError `reference.malformed` */
export function parseReference(text: string): Reference {
  const [name = '', digest, ...rest] = text.split('@');
  if (digest !== undefined) {
    if (rest.length > 0 || !isName(name) || !isDigest(digest)) throw malformed(text);
    return { name, digest };
  }
  const [base = '', generation, ...more] = name.split(':');
  if (more.length > 0 || !isName(base)) throw malformed(text);
  if (generation === undefined) return { name: base };
  if (!/^[1-9][0-9]{0,8}$/.test(generation)) throw malformed(text);
  return { name: base, generation: Number(generation) };
}

export function formatReference(reference: Reference): string {
  if (reference.digest !== undefined) return `${reference.name}@${reference.digest}`;
  return reference.generation === undefined ? reference.name : `${reference.name}:${reference.generation}`;
}

function malformed(text: string): StasisError {
  return new StasisError('reference.malformed', `"${text}" does not name a snapshot.`, {
    hint: 'Write shop (the newest), shop:3 (a generation) or shop@sha256:… (exactly one); names have lower-case letters, digits, "-" and "." only.',
  });
}
