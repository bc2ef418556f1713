import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { expect, test } from '@jest/globals';
import { parsePublicKey, preAuthEncoding } from '../../provider/core/dsse.ts';
import { checkCertificates } from '../../provider/resources/drill-certificates.ts';
import { codeOf, digestOf, drillShop, run } from '../support/drill-shop.ts';

const shop = drillShop();
const { path, rehearse, openStore } = shop;

/** Verifies an envelope with nothing of ours but the encoding, which is held against the specification's example below. */
async function opensslVerifies(envelope: string, publicKey: string, isEd25519: boolean): Promise<boolean> {
  const { payload, payloadType, signatures } = JSON.parse(envelope) as {
    payload: string;
    payloadType: string;
    signatures: { sig: string }[];
  };
  await writeFile(path('pae'), preAuthEncoding(payloadType, Buffer.from(payload, 'base64')));
  await writeFile(path('sig'), Buffer.from(signatures[0]!.sig, 'base64'));
  const how = isEd25519 ? ['-rawin'] : ['-rawin', '-digest', 'sha256'];
  const args = ['pkeyutl', '-verify', '-pubin', '-inkey', publicKey, ...how];
  return run('openssl', [...args, '-in', path('pae'), '-sigfile', path('sig')]).then(
    () => true,
    () => false,
  );
}

test('the pre-authentication encoding is that of the specification', () => {
  // https://github.com/secure-systems-lab/dsse/blob/master/protocol.md, "Test Vectors".
  expect(preAuthEncoding('http://example.com/HelloWorld', Buffer.from('hello world')).toString()).toBe(
    'DSSEv1 29 http://example.com/HelloWorld 11 hello world',
  );
});

test.each([
  ['ECDSA P-256', 'ec', false],
  ['Ed25519', 'ed', true],
])(
  'openssl verifies a certificate signed with %s, and no flipped bit of it',
  async (_name, key, isEd25519) => {
    const files = path('only-files');
    await mkdir(files, { recursive: true });
    const drill = await rehearse({ sign: { keyFile: path(`${key}.pem`) } });
    const certificate = String(drill.outputs.certificate);
    expect(await opensslVerifies(certificate, path(`${key}.pub`), isEd25519)).toBe(true);
    expect(await opensslVerifies(certificate, path(`${key === 'ec' ? 'ed' : 'ec'}.pub`), !isEd25519)).toBe(
      false,
    );
    const envelope = JSON.parse(certificate) as { payload: string; signatures: { sig: string }[] };
    const statement = JSON.parse(Buffer.from(envelope.payload, 'base64').toString('utf8'));
    expect(statement).toMatchObject({
      _type: 'https://in-toto.io/Statement/v1',
      subject: [{ name: 'shop', digest: { sha256: digestOf(shop.photo).slice(7) } }],
      predicate: { verdict: 'equivalent', passed: true, probes: { orders: 'equal' } },
    });
    const flipped = (text: string, bit: number): string => {
      const bytes = Buffer.from(text, 'base64');
      bytes[bit >> 3] = bytes[bit >> 3]! ^ (1 << (bit & 7));
      return bytes.toString('base64');
    };
    const payloadBits = Buffer.from(envelope.payload, 'base64').length * 8;
    for (const bit of [0, payloadBits >> 1, payloadBits - 1]) {
      const forged = JSON.stringify({ ...envelope, payload: flipped(envelope.payload, bit) });
      expect(await opensslVerifies(forged, path(`${key}.pub`), isEd25519)).toBe(false);
    }
    const forged = { ...envelope, signatures: [{ sig: flipped(envelope.signatures[0]!.sig, 77) }] };
    expect(await opensslVerifies(JSON.stringify(forged), path(`${key}.pub`), isEd25519)).toBe(false);

    const store = await openStore();
    const [newest] = await checkCertificates(
      store,
      digestOf(shop.photo),
      parsePublicKey(await readFile(path(`${key}.pub`), 'utf8')),
    );
    expect(newest).toMatchObject({ signed: true, facts: { verdict: 'equivalent' } });
  },
  120_000,
);

test('a command signs in the place of a key, and what it gives is checked at once', async () => {
  const script = path('kms.sh');
  // As a key management service would: it gets what is to be signed, and never gives its key away.
  await writeFile(
    script,
    `cat > '${path('kms.in')}'\nopenssl pkeyutl -sign -inkey '${path('ed.pem')}' -rawin -in '${path('kms.in')}' | base64 -w 0\n`,
  );
  const command = ['sh', script];
  const drill = await rehearse({ sign: { command, publicKeyFile: path('ed.pub') } });
  expect(await opensslVerifies(String(drill.outputs.certificate), path('ed.pub'), true)).toBe(true);
  const wrong = rehearse({ sign: { command, publicKeyFile: path('ec.pub') } });
  expect(await codeOf(wrong)).toEqual(['sign.wrong-signature', 'sign']);
  expect(await codeOf(rehearse({ sign: { command: ['false'], publicKeyFile: path('ed.pub') } }))).toEqual([
    'sign.refused',
    'sign.command',
  ]);
}, 240_000);
