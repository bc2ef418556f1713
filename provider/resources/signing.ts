import { createPrivateKey, createPublicKey, type KeyObject, sign } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { z } from 'zod';
import type { Context } from '../core/context.ts';
import {
  digestOf,
  type Envelope,
  isSignature,
  keyIdOf,
  parsePublicKey,
  preAuthEncoding,
} from '../core/dsse.ts';
import { StasisError, toStasisError } from '../core/errors.ts';
import type { Host } from '../core/host.ts';
import { hasUnknown, type Values } from '../core/resource.ts';

/** A service that signs is waited for this long. */
const SIGN_MS = 60_000;

/** Who signs, as a user says it. */
export const SIGN_INPUT = z
  .strictObject({
    keyFile: z
      .string()
      .optional()
      .describe(
        'File of a private key in PEM, ECDSA P-256 or Ed25519, where the engine runs. Only its path is stored.',
      ),
    command: z
      .array(z.string())
      .min(1)
      .optional()
      .describe(
        'Or a command and its arguments that signs for you, such as one of a key management service: it gets what is to be signed (the DSSE pre-authentication encoding) on standard input, and prints the signature in base64 (of ECDSA in DER). It needs publicKeyFile.',
      ),
    publicKeyFile: z
      .string()
      .optional()
      .describe('File of the public key in PEM that a command signs for; its signature is checked at once.'),
  })
  .superRefine((value, context) => {
    const complain = (message: string, hint: string, path: string[] = []): void =>
      context.addIssue({ code: 'custom', message, path, params: { code: 'sign.not-one', hint } });
    if ((value.keyFile === undefined) === (value.command === undefined))
      complain('A certificate is signed by a key or by a command', 'Give keyFile or command.');
    else if (value.command !== undefined && value.publicKeyFile === undefined)
      complain('The public key of the command is missing', 'Give publicKeyFile.', ['command']);
  })
  .describe('Who signs the certificate.')
  .meta({ typeName: 'Signing' });

interface Signer {
  readonly key: KeyObject;
  sign(signed: Buffer, context: Context): Promise<Buffer>;
}

/** @throws StasisError `sign.key`, `dsse.key`, `dsse.key-type`, placed at the user's attribute */
async function openSigner(said: Values, host: Host): Promise<Signer> {
  const { keyFile, command, publicKeyFile } = said as z.infer<typeof SIGN_INPUT>;
  if (typeof keyFile === 'string')
    return at('keyFile', async () => {
      const key = privateKey(await readKey(keyFile));
      const digest = digestOf(key);
      return { key: createPublicKey(key), sign: async (signed) => sign(digest, signed, key) };
    });
  const key = await at('publicKeyFile', async () => parsePublicKey(await readKey(publicKeyFile ?? '')));
  return {
    key,
    sign: (signed, context) => at('command', () => byCommand(command ?? [], signed, host, context)),
  };
}

async function at<T>(attribute: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw toStasisError(error, 'sign.failed').within('sign', attribute);
  }
}

async function readKey(path: string): Promise<string> {
  try {
    return await readFile(resolve(path), 'utf8');
  } catch (cause) {
    throw new StasisError('sign.key', `The key ${resolve(path)} cannot be read.`, { cause });
  }
}

function privateKey(pem: string): KeyObject {
  try {
    return createPrivateKey(pem);
  } catch {
    // What the library says may quote the file.
    throw new StasisError('sign.key', 'This is no private key in PEM, or one with a passphrase.', {
      hint: 'Make one: openssl ecparam -name prime256v1 -genkey -noout -out drill.pem',
    });
  }
}

async function byCommand(
  command: readonly string[],
  signed: Buffer,
  host: Host,
  { signal }: Context,
): Promise<Buffer> {
  async function* once(): AsyncGenerator<Uint8Array> {
    yield signed;
  }
  const { status, stdout } = await host.run(command, { signal, timeoutMs: SIGN_MS, stdin: once() });
  if (status === 0) return Buffer.from(stdout, 'base64');
  throw new StasisError('sign.refused', `The command "${command[0]}" ended with status ${status}.`, {
    hint: 'Run it by hand to see what it says.',
  });
}

/** What would keep a certificate from being signed, as far as it shows without signing. */
export async function signingProblems(said: unknown, host: Host): Promise<StasisError[]> {
  if (typeof said !== 'object' || said === null || hasUnknown(said) || !SIGN_INPUT.safeParse(said).success)
    return [];
  try {
    await openSigner(said as Values, host);
    const { command } = said as z.infer<typeof SIGN_INPUT>;
    if (command === undefined || command === null || (await host.which(command[0]!)) !== undefined) return [];
    return [
      new StasisError('sign.no-command', `There is no program "${command[0]}".`, { at: ['sign', 'command'] }),
    ];
  } catch (error) {
    return [toStasisError(error)];
  }
}

/**
 * An envelope with one signature, which is checked with the public key.
 * @throws StasisError `sign.refused`, `sign.wrong-signature`, and as `openSigner`
 */
export async function signEnvelope(
  said: Values,
  payloadType: string,
  payload: Buffer,
  host: Host,
  context: Context,
): Promise<{ readonly envelope: Envelope; readonly keyId: string }> {
  const signer = await openSigner(said, host);
  const signed = preAuthEncoding(payloadType, payload);
  const signature = await signer.sign(signed, context);
  if (!isSignature(signed, signature, signer.key))
    throw new StasisError('sign.wrong-signature', 'The signature is not one of the public key.', {
      hint: 'The command signs its whole standard input, with SHA-256 where the key is ECDSA P-256, and prints base64.',
      at: ['sign'],
    });
  const keyId = keyIdOf(signer.key);
  const signatures = [{ keyid: keyId, sig: signature.toString('base64') }];
  return { envelope: { payload: payload.toString('base64'), payloadType, signatures }, keyId };
}
