import { generateKeyPairSync, randomBytes, sign } from 'node:crypto';

/**
 * The key pair and self-signed certificate by which the host knows us (go-plugin's AutoMTLS). Written by hand in DER
 * (X.690, RFC 5280): the libraries that do it cost more start-up time than all the rest of the plugin.
 */
export interface TlsIdentity {
  readonly certificateDer: Buffer;
  readonly certificatePem: string;
  readonly keyPem: string;
}

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;
/** A command of the engine ends long before. */
const VALID_DAYS = 30;
/** Go's TLS client insists on a subject alternative name, and go-plugin asks for this one. */
const SERVER_NAME = 'localhost';

const OID = {
  ecdsaWithSha256: '2a8648ce3d040302',
  commonName: '550403',
  subjectAltName: '551d11',
  extendedKeyUsage: '551d25',
  serverAuth: '2b06010505070301',
  clientAuth: '2b06010505070302',
} as const;

const TAG = {
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  objectIdentifier: 0x06,
  utf8String: 0x0c,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
  version: 0xa0,
  extensions: 0xa3,
  dnsName: 0x82,
} as const;

/** A new P-256 identity; takes a few milliseconds. */
export function createTlsIdentity(nowMs = Date.now()): TlsIdentity {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const algorithm = sequence(oid(OID.ecdsaWithSha256));
  const name = sequence(
    der(TAG.set, sequence(oid(OID.commonName), der(TAG.utf8String, Buffer.from(SERVER_NAME)))),
  );
  const body = sequence(
    der(TAG.version, der(TAG.integer, Buffer.from([2]))),
    der(TAG.integer, serialNumber()),
    algorithm,
    name,
    sequence(time(nowMs - MINUTE_MS), time(nowMs + VALID_DAYS * DAY_MS)),
    name,
    publicKey.export({ type: 'spki', format: 'der' }),
    der(TAG.extensions, sequence(...extensions())),
  );
  const signature = sign('sha256', body, privateKey);
  const certificateDer = sequence(body, algorithm, der(TAG.bitString, Buffer.from([0]), signature));
  return {
    certificateDer,
    certificatePem: pem(certificateDer),
    keyPem: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  };
}

function extensions(): Buffer[] {
  return [
    sequence(
      oid(OID.subjectAltName),
      der(TAG.octetString, sequence(der(TAG.dnsName, Buffer.from(SERVER_NAME)))),
    ),
    sequence(
      oid(OID.extendedKeyUsage),
      der(TAG.octetString, sequence(oid(OID.serverAuth), oid(OID.clientAuth))),
    ),
  ];
}

/** Positive, without a leading zero octet, as DER wants it. */
function serialNumber(): Buffer {
  const serial = randomBytes(16);
  serial[0] = (serial[0]! & 0x3f) | 0x40;
  return serial;
}

function der(tag: number, ...contents: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(contents);
  return Buffer.concat([Buffer.from([tag]), lengthOf(content.length), content]);
}

/** Everything here is shorter than 64 KiB. */
function lengthOf(length: number): Buffer {
  if (length < 0x80) return Buffer.from([length]);
  if (length < 0x100) return Buffer.from([0x81, length]);
  return Buffer.from([0x82, length >> 8, length & 0xff]);
}

function sequence(...contents: readonly Uint8Array[]): Buffer {
  return der(TAG.sequence, ...contents);
}

function oid(hex: string): Buffer {
  return der(TAG.objectIdentifier, Buffer.from(hex, 'hex'));
}

function time(ms: number): Buffer {
  const digits = new Date(ms).toISOString().replace(/[-:T]/g, '').slice(0, 14);
  return der(TAG.generalizedTime, Buffer.from(`${digits}Z`));
}

function pem(bytes: Buffer): string {
  const lines = bytes.toString('base64').match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
}
