import { StasisError } from './errors.ts';

/** `sha256:` and 64 hexadecimal digits, as in OCI. */
export type Digest = `sha256:${string}`;

const DIGEST = /^sha256:[0-9a-f]{64}$/;

export function isDigest(text: string): text is Digest {
  return DIGEST.test(text);
}

/** @throws StasisError `digest.malformed` */
export function parseDigest(text: string): Digest {
  if (!isDigest(text))
    throw new StasisError(
      'digest.malformed',
      `"${text}" is not a digest of the form sha256:<64 hex digits>.`,
    );
  return text;
}
