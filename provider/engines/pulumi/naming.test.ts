import { expect, test } from '@jest/globals';
import { parseArguments } from './arguments.ts';
import { parseUrn, stackOwner } from './naming.ts';

test('a URN tells stack, project, type and name, also of a child with an odd name', () => {
  const urn = parseUrn('urn:pulumi:dev::shop::my:own:Thing$stasis:index:Snapshot::a::b');
  expect(urn).toEqual({ stack: 'dev', project: 'shop', type: 'stasis:index:Snapshot', name: 'a::b' });
  expect(stackOwner(urn)).toBe('pulumi:shop:dev');
  expect(() => parseUrn('shop')).toThrow(RangeError);
});

test.each([
  [['127.0.0.1:4000'], '127.0.0.1:4000', false],
  [['--logtostderr', '-v=9', '127.0.0.1:4000'], '127.0.0.1:4000', true],
  [['-v', '3', 'localhost:4000'], 'localhost:4000', true],
  [['-v=0', '127.0.0.1:4000'], '127.0.0.1:4000', false],
  [[], undefined, false],
])('the engine starts us with %j', (args, engineAddress, verbose) => {
  expect(parseArguments(args)).toEqual({ engineAddress, verbose });
});
