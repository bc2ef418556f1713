import type { Command, Connection } from '../../provider/drivers/redis/connection.ts';
import { ReplyError } from '../../provider/drivers/redis/connection.ts';

/** An hour ahead, in Unix milliseconds: expires, but not while a test runs. */
const LATER = Date.now() + 3_600_000;

const long = 'long text that is easily compressed '.repeat(40);
const random = (sizeBytes: number): Buffer => {
  let state = sizeBytes * 2_654_435_761;
  return Buffer.from(
    Array.from({ length: sizeBytes }, () => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      return state >>> 24;
    }),
  );
};

/** Whole numbers at the edges of every encoding, and text that only looks like one. */
const NUMBERS = [
  ...[
    0, 1, -1, 12, 13, 127, 128, -128, -129, 255, 256, 4095, 4096, -4096, -4097, 32_767, 32_768, -32_768,
    -32_769,
  ],
  ...[
    8_388_607, 8_388_608, -8_388_608, -8_388_609, 2_147_483_647, 2_147_483_648, -2_147_483_648,
    -2_147_483_649,
  ],
  ...[
    '9223372036854775807',
    '-9223372036854775808',
    '9223372036854775808',
    '007',
    '-0',
    '+1',
    '1.5',
    ' 1',
    '',
  ],
].map(String);
const SIZES = [1, 62, 63, 64, 126, 127, 128, 254, 255, 4094, 4095, 4096, 16_383, 16_384, 70_000];
const many = (count: number): string[] => Array.from({ length: count }, (_, index) => `item-${index}`);

/** Commands that make a value of every type in every encoding, with names and contents that are not text. */
export function everything(): Command[] {
  const commands: Command[] = [
    ['SET', 'empty', ''],
    ['SET', '', 'the empty key'],
    ['SET', Buffer.from([0, 255, 254, 10, 13, 92]), random(300)],
    ['SET', 'snow ☃ \u2028 \\ / \\/', 'unicode'],
    ['SET', 'compressed', long],
    ['SET', 'expires', 'soon', 'PXAT', String(LATER)],
    ['SETBIT', 'bits', '100000', '1'],
    ['PFADD', 'hll', ...many(2000)],
    ['GEOADD', 'geo', '13.361389', '38.115556', 'Palermo', '15.087269', '37.502669', 'Catania'],
    ...NUMBERS.map((number): Command => ['SET', `number:${number}`, number]),
    ...SIZES.map((size): Command => ['SET', `random:${size}`, random(size)]),
    ['RPUSH', 'list:small', ...NUMBERS],
    ['RPUSH', 'list:sizes', ...SIZES.map(random)],
    ['RPUSH', 'list:large', ...many(3000), long, random(9000)],
    ['RPUSH', 'list:one', random(20_000)],
    ['SADD', 'set:int16', ...NUMBERS.slice(0, 10)],
    ['SADD', 'set:int32', '1', '70000', '-70000'],
    ['SADD', 'set:int64', '1', '9223372036854775807', '-9223372036854775808'],
    ['SADD', 'set:small', 'a', '2', random(30), ''],
    ['SADD', 'set:large', ...many(600), random(100)],
    ['HSET', 'hash:small', 'a', '1', 'b', 'text', random(20), random(40), '', ''],
    ['HSET', 'hash:large', ...many(1400)],
    ['HSET', 'hash:wide', 'field', long],
    [
      'ZADD',
      'zset:small',
      '1',
      'a',
      '1.5',
      'b',
      '-3',
      'c',
      '0.1',
      'd',
      'inf',
      'e',
      '-inf',
      'f',
      '3e300',
      random(20),
    ],
    ['ZADD', 'zset:large', ...many(300).flatMap((name, index) => [String(index / 7), name])],
    ['ZADD', 'zset:edge', '9007199254740993', 'a', '1e-320', 'b', '0.30000000000000004', 'c', '-0', 'd'],
    ...streams(),
    ['PEXPIREAT', 'list:small', String(LATER + 1)],
    ['PEXPIREAT', 'hash:large', String(LATER + 2)],
    ['PEXPIREAT', 'stream:groups', String(LATER + 3)],
    ['SELECT', '3'],
    ['SET', 'expires', 'in another database', 'PXAT', String(LATER + 4)],
    ['SADD', 'set', 'x'],
    ['SELECT', '15'],
    ['SET', 'last', 'database'],
    ['SELECT', '0'],
  ];
  return commands;
}

function streams(): Command[] {
  const add = (key: string, id: string, ...fields: (string | Buffer)[]): Command => [
    'XADD',
    key,
    id,
    ...fields,
  ];
  return [
    add('stream:one', '1-1', 'field', 'value'),
    ...Array.from({ length: 250 }, (_, index) =>
      add('stream:large', `${index + 1}-${index % 3}`, 'a', String(index), 'b', `text ${index}`),
    ),
    ['XDEL', 'stream:large', '7-0', '150-2', '250-0'],
    add('stream:mixed', '5-1', 'a', '1'),
    add('stream:mixed', '5-2', 'b', '2', 'c', random(80)),
    add('stream:mixed', '18446744073709551614-18446744073709551614', 'a', ''),
    add('stream:emptied', '9-9', 'a', 'b'),
    ['XDEL', 'stream:emptied', '9-9'],
    ...many(20).map((item, index) => add('stream:groups', `${index + 1}-0`, 'item', item)),
    ['XGROUP', 'CREATE', 'stream:groups', 'idle', '0'],
    ['XGROUP', 'CREATE', 'stream:groups', 'busy', '0'],
    ['XGROUP', 'CREATE', 'stream:groups', random(10), '$'],
    ['XREADGROUP', 'GROUP', 'busy', 'anna', 'COUNT', '5', 'STREAMS', 'stream:groups', '>'],
    ['XREADGROUP', 'GROUP', 'busy', random(8), 'COUNT', '3', 'STREAMS', 'stream:groups', '>'],
    ['XREADGROUP', 'GROUP', 'busy', 'anna', 'COUNT', '2', 'STREAMS', 'stream:groups', '0'],
    ['XACK', 'stream:groups', 'busy', '2-0'],
    ['XGROUP', 'CREATECONSUMER', 'stream:groups', 'busy', 'never-read'],
    ['XGROUP', 'CREATE', 'stream:made', 'first', '$', 'MKSTREAM'],
  ];
}

const LIBRARY = `#!lua name=mylib
redis.register_function('double', function(keys, args) return tonumber(args[1]) * 2 end)
`;

/** What only newer servers have. */
export function everythingNewer(version: {
  readonly functions: boolean;
  readonly fieldExpiry: boolean;
}): Command[] {
  return [
    ...(version.functions ? [['FUNCTION', 'LOAD', LIBRARY] as Command] : []),
    ...(version.fieldExpiry
      ? ([
          ['HSET', 'fields:small', 'stays', '1', 'goes', '2', 'goes-later', '3'],
          ['HPEXPIREAT', 'fields:small', String(LATER + 10), 'FIELDS', '1', 'goes'],
          ['HPEXPIREAT', 'fields:small', String(LATER + 20), 'FIELDS', '1', 'goes-later'],
          ['HSET', 'fields:all', 'a', '1'],
          ['HPEXPIREAT', 'fields:all', String(LATER + 30), 'FIELDS', '1', 'a'],
          ['HSET', 'fields:large', ...many(1200)],
          ['HPEXPIREAT', 'fields:large', String(LATER + 40), 'FIELDS', '2', 'item-0', 'item-10'],
        ] as Command[])
      : []),
  ];
}

/** Runs commands, and fails on the first that the server refuses. */
export async function run(connection: Connection, commands: readonly Command[]): Promise<void> {
  const replies = await connection.pipeline(commands);
  const index = replies.findIndex((reply) => reply instanceof ReplyError);
  if (index >= 0) throw new Error(`${String(commands[index]?.slice(0, 3))}: ${replies[index]}`);
}
