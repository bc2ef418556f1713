import { X509Certificate } from 'node:crypto';
import { expect, test } from '@jest/globals';
import { handshakeLine } from './handshake.ts';
import { createTlsIdentity } from './tls-identity.ts';

test('a certificate that a TLS library reads, signed by its own key, for localhost, valid now', () => {
  const { certificatePem, keyPem } = createTlsIdentity();
  const certificate = new X509Certificate(certificatePem);
  expect(certificate.verify(certificate.publicKey)).toBe(true);
  expect(certificate.subjectAltName).toBe('DNS:localhost');
  expect(certificate.subject).toBe('CN=localhost');
  expect(certificate.keyUsage).toEqual(['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2']);
  expect(certificate.publicKey.asymmetricKeyDetails).toMatchObject({ namedCurve: 'prime256v1' });
  expect(Date.parse(certificate.validFrom)).toBeLessThan(Date.now());
  expect(Date.parse(certificate.validTo)).toBeGreaterThan(Date.now() + 86_400_000);
  expect(keyPem).toContain('PRIVATE KEY');
});

test('the handshake has the certificate without padding, whatever its length', () => {
  const remainders = new Set<number>();
  for (let round = 0; round < 400 && remainders.size < 3; round += 1) {
    const { certificateDer } = createTlsIdentity();
    remainders.add(certificateDer.length % 3);
    const line = handshakeLine('/tmp/socket', certificateDer);
    expect(line).toMatch(/^1\|6\|unix\|\/tmp\/socket\|grpc\|[A-Za-z0-9+/]+$/);
    expect(Buffer.from(line.split('|')[5]!, 'base64').equals(certificateDer)).toBe(true);
  }
  // The length of an ECDSA signature varies: lengths that would need padding did occur.
  expect(remainders.size).toBeGreaterThan(1);
});

test('two identities differ', () => {
  const [a, b] = [createTlsIdentity(), createTlsIdentity()];
  expect(new X509Certificate(a.certificatePem).serialNumber).not.toBe(
    new X509Certificate(b.certificatePem).serialNumber,
  );
  expect(a.keyPem).not.toBe(b.keyPem);
});
