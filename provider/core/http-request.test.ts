import { expect, test } from '@jest/globals';
import { headerProblem, parseHeaders, parseHttpUrl } from './http-request.ts';

test('a URL says whom within the member is asked', () => {
  expect(parseHttpUrl('http://127.0.0.1:8080/orders?state=new')).toEqual({
    ...{ address: '127.0.0.1', port: 8080, path: '/orders?state=new', authority: '127.0.0.1:8080' },
    secure: false,
  });
  expect(parseHttpUrl('http://localhost')).toEqual({
    ...{ address: '127.0.0.1', port: 80, path: '/', authority: 'localhost' },
    secure: false,
  });
  expect(parseHttpUrl('https://127.0.0.1/')).toMatchObject({ port: 443, secure: true });
  expect(parseHttpUrl('http://[::1]:7070/a b')).toEqual({
    ...{ address: '::1', port: 7070, path: '/a%20b', authority: '[::1]:7070' },
    secure: false,
  });
  expect(parseHttpUrl('http://0x7f.1/')?.address).toBe('127.0.0.1');
});

test.each([
  '/health',
  'localhost:8080',
  'https://shop.example/',
  'http://shop.example/',
  'http://user@127.0.0.1/',
  'http://127.0.0.1/#part',
  'http://127.0.0.1:99999/',
  'http://$(reboot)/',
  'file:///etc/passwd',
  '',
])('%j is no URL of a member', (url) => expect(parseHttpUrl(url)).toBeUndefined());

test('a header is one line of its own, and neither ours nor a secret', () => {
  expect(headerProblem('X-Tenant', 'shop 7')).toBeUndefined();
  expect(headerProblem('Host', 'shop.example')).toBeUndefined();
  expect(headerProblem('X Tenant', '7')).toBe('malformed');
  expect(headerProblem('X-Tenant', '7\r\nX-Other: 8')).toBe('malformed');
  expect(headerProblem('Transfer-Encoding', 'chunked')).toBe('ours');
  expect(headerProblem('AUTHORIZATION', 'Bearer x')).toBe('secret');
});

test('a file of headers is read line by line', () => {
  expect(parseHeaders('# of the shop\nAuthorization: Bearer a:b\r\n\nX-Tenant:7  \n')).toEqual({
    ...{ Authorization: 'Bearer a:b', 'X-Tenant': '7' },
  });
  expect(parseHeaders('')).toEqual({});
  for (const text of ['sesame', 'Connection: close', 'a b: c', ': c'])
    expect(parseHeaders(text)).toBeUndefined();
});
