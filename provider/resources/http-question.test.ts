import { expect, test } from '@jest/globals';
import { HTTP_QUESTION, httpRequestOf } from './http-question.ts';

test('a request by https may name a certificate, one by http shows none', () => {
  const tls = { serverName: 'shop.example', caFile: '/etc/shop/ca.pem' };
  const asked = HTTP_QUESTION.parse({ url: 'https://127.0.0.1:8443/', ...tls });
  expect(httpRequestOf(asked)).toEqual({
    ...{ method: 'GET', url: 'https://127.0.0.1:8443/', status: 200, ...tls },
  });
  const { error } = HTTP_QUESTION.safeParse({ url: 'http://127.0.0.1:8443/', ...tls });
  expect(error?.issues).toMatchObject([
    { path: ['serverName'], params: { code: 'probe.http-tls' } },
    { path: ['caFile'], params: { code: 'probe.http-tls' } },
  ]);
  expect(HTTP_QUESTION.safeParse({ url: 'https://127.0.0.1:8443/', caFile: 'ca.pem' }).success).toBe(false);
});
