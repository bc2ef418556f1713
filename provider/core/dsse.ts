import { createPublicKey, hash, type KeyObject, verify as verifySignature } from 'node:crypto';
import { z } from 'zod';
import { StasisError } from './errors.ts';

/** A Dead Simple Signing Envelope, version 1 (https://github.com/secure-systems-lab/dsse). */
export const DSSE_TYPE = 'application/vnd.dsse.envelope.v1+json';

const ENVELOPE = z.object({
  payload: z.base64(),
  payloadType: z.string(),
  signatures: z.array(z.object({ keyid: z.string().optional(), sig: z.base64() })).min(1),
});

export type Envelope = z.infer<typeof ENVELOPE>;

/** What is signed: the type and the payload, so that neither can be taken for another (DSSE, "Signature Definition"). */
export function preAuthEncoding(payloadType: string, payload: Uint8Array): Buffer {
  const head = `DSSEv1 ${Buffer.byteLength(payloadType)} ${payloadType} ${payload.length} `;
  return Buffer.concat([Buffer.from(head), payload]);
}

/** @throws StasisError `dsse.malformed` */
export function parseEnvelope(bytes: Uint8Array): Envelope {
  try {
    return ENVELOPE.parse(JSON.parse(Buffer.from(bytes).toString('utf8')));
  } catch (cause) {
    throw new StasisError('dsse.malformed', 'This is no DSSE envelope.', { cause });
  }
}

/** The payload of an envelope, once a signature of it is shown to be of this key; undefined where none is. */
export function openEnvelope(
  { payload, payloadType, signatures }: Envelope,
  key: KeyObject,
): Buffer | undefined {
  const bytes = Buffer.from(payload, 'base64');
  const signed = preAuthEncoding(payloadType, bytes);
  const isSigned = signatures.some(({ sig }) => isSignature(signed, Buffer.from(sig, 'base64'), key));
  return isSigned ? bytes : undefined;
}

/** ECDSA signatures are DER, as openssl and sigstore have them; Ed25519 ones are of the bytes themselves. */
export function isSignature(signed: Uint8Array, signature: Uint8Array, key: KeyObject): boolean {
  try {
    return verifySignature(digestOf(key), signed, key, signature);
  } catch {
    return false;
  }
}

/** With which digest a key signs. @throws StasisError `dsse.key-type` of a key that is neither P-256 nor Ed25519 */
export function digestOf(key: KeyObject): 'sha256' | null {
  if (key.asymmetricKeyType === 'ed25519') return null;
  if (key.asymmetricKeyType === 'ec' && key.asymmetricKeyDetails?.namedCurve === 'prime256v1')
    return 'sha256';
  throw new StasisError('dsse.key-type', 'The key is neither ECDSA P-256 nor Ed25519.', {
    hint: 'Make one: openssl ecparam -name prime256v1 -genkey -noout -out drill.pem',
  });
}

/** @throws StasisError `dsse.key`, `dsse.key-type` */
export function parsePublicKey(pem: string): KeyObject {
  let key: KeyObject;
  try {
    key = createPublicKey(pem);
  } catch (cause) {
    throw new StasisError('dsse.key', 'This is no public key in PEM.', {
      hint: 'openssl pkey -in drill.pem -pubout gives that of a private key.',
      cause,
    });
  }
  digestOf(key);
  return key;
}

/** A name of a key that tells it from others: the SHA-256 of its SubjectPublicKeyInfo. */
export function keyIdOf(key: KeyObject): string {
  return hash('sha256', key.export({ type: 'spki', format: 'der' }), 'hex');
}
