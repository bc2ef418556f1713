import type { Drift } from '../drift.ts';
import { byCommands, type RedisTwin } from './twin.ts';

const VALUES: readonly Drift<RedisTwin>[] = [
  byCommands('a byte of a string', [['SETRANGE', 'random:70000', '40000', '!!']], ['db/0/key/random:70000']),
  byCommands('a bit', [['SETBIT', 'bits', '100000', '0']], ['db/0/key/bits']),
  byCommands('a number as other text', [['SET', 'number:007', '7']], ['db/0/key/number:007']),
  byCommands(
    'the same in a hash, for a string',
    [
      ['DEL', 'empty'],
      ['HSET', 'empty', '', ''],
    ],
    ['db/0/key/empty'],
  ),
  byCommands('an element of a list', [['LSET', 'list:large', '1500', 'x']], ['db/0/key/list:large']),
  byCommands(
    'the order of a list',
    [['LMOVE', 'list:sizes', 'list:sizes', 'LEFT', 'RIGHT']],
    ['db/0/key/list:sizes'],
  ),
  byCommands(
    'a member of a set',
    [
      ['SREM', 'set:large', 'item-7'],
      ['SADD', 'set:large', 'item-x'],
    ],
    ['db/0/key/set:large'],
  ),
  byCommands(
    'a score, by the least there is',
    [['ZADD', 'zset:large', '0.14285714285714288', 'item-1']],
    ['db/0/key/zset:large'],
  ),
  byCommands('a field of a hash', [['HSET', 'hash:large', 'item-0', 'x']], ['db/0/key/hash:large']),
  byCommands(
    'two fields that changed their values',
    [['HSET', 'hash:small', 'a', 'text', 'b', '1']],
    ['db/0/key/hash:small'],
  ),
  byCommands('an entry of a stream', [['XDEL', 'stream:large', '100-0']], ['db/0/key/stream:large']),
  byCommands('the last id of a stream', [['XSETID', 'stream:large', '300-0']], ['db/0/key/stream:large']),
  byCommands(
    'one more in a HyperLogLog',
    [['PFADD', 'hll', 'one more', 'and another', 'and a third']],
    ['db/0/key/hll'],
  ),
  byCommands('a key less', [['DEL', 'geo']], ['db/0/key/geo']),
  byCommands('a key renamed', [['RENAME', 'geo', 'Geo']], ['db/0/key/Geo', 'db/0/key/geo']),
  byCommands('a key moved to another database', [['MOVE', 'geo', '5']], ['db/0/key/geo', 'db/5/key/geo']),
  byCommands(
    'a key in the last database',
    [
      ['SELECT', '15'],
      ['APPEND', 'last', '.'],
    ],
    ['db/15/key/last'],
  ),
  byCommands(
    'an encoding, by a value that came and went',
    [
      ['SADD', 'set:int16', 'text'],
      ['SREM', 'set:int16', 'text'],
      ['HSET', 'hash:small', 'long', 'x'.repeat(5000)],
      ['HDEL', 'hash:small', 'long'],
    ],
    [],
    { harmless: true },
  ),
  byCommands(
    'keys that are read',
    [
      ['GET', 'compressed'],
      ['LRANGE', 'list:large', '0', '-1'],
      ['TOUCH', 'geo'],
    ],
    [],
    {
      harmless: true,
    },
  ),
];

const TIMES: readonly Drift<RedisTwin>[] = [
  {
    name: 'an expiry shifted by a millisecond',
    objects: ['db/0/key/expires'],
    change: async (twin) => {
      const at = await twin.ask('PEXPIRETIME', 'expires');
      await twin.tell(['PEXPIREAT', 'expires', String(Number(at) + 1)]);
    },
  },
  byCommands('an expiry lost', [['PERSIST', 'hash:large']], ['db/0/key/hash:large']),
  byCommands('an expiry where there was none', [['EXPIRE', 'compressed', '7200']], ['db/0/key/compressed']),
];

const busy = 'db/0/group/stream:groups\\/busy';
const GROUPS: readonly Drift<RedisTwin>[] = [
  byCommands('where a consumer group stands', [['XGROUP', 'SETID', 'stream:groups', 'busy', '3-0']], [busy]),
  byCommands('a pending entry acknowledged', [['XACK', 'stream:groups', 'busy', '3-0']], [busy]),
  byCommands(
    'a pending entry of another consumer',
    [['XCLAIM', 'stream:groups', 'busy', 'never-read', '0', '3-0', 'JUSTID']],
    [busy],
  ),
  byCommands(
    'how often an entry was delivered',
    [['XCLAIM', 'stream:groups', 'busy', 'anna', '0', '3-0', 'RETRYCOUNT', '9']],
    [busy],
  ),
  byCommands('a consumer less', [['XGROUP', 'DELCONSUMER', 'stream:groups', 'busy', 'never-read']], [busy]),
  byCommands(
    'a group less',
    [['XGROUP', 'DESTROY', 'stream:groups', 'idle']],
    ['db/0/group/stream:groups\\/idle'],
  ),
];

const SERVER: readonly Drift<RedisTwin>[] = [
  byCommands(
    'what a function does',
    [
      [
        'FUNCTION',
        'LOAD',
        'REPLACE',
        "#!lua name=mylib\nredis.register_function('double', function(keys, args) return tonumber(args[1]) * 3 end)\n",
      ],
    ],
    ['function/mylib'],
  ),
  byCommands('a library less', [['FUNCTION', 'DELETE', 'mylib']], ['function/mylib']),
  byCommands('what an ACL user may do', [['ACL', 'SETUSER', 'reader', '+@write']], ['acl/reader']),
  byCommands('which keys an ACL user may see', [['ACL', 'SETUSER', 'reader', '~other:*']], ['acl/reader']),
  byCommands('an ACL user switched off', [['ACL', 'SETUSER', 'writer', 'off']], ['acl/writer']),
  byCommands('an ACL user less', [['ACL', 'DELUSER', 'writer']], ['acl/writer']),
  byCommands("an ACL user's password", [['ACL', 'SETUSER', 'reader', '>other', '<secret']], [], {
    unseen: 'a user that a target has keeps its password',
  }),
  byCommands(
    'what is evicted when memory is short',
    [['CONFIG', 'SET', 'maxmemory-policy', 'allkeys-lru']],
    ['setting/maxmemory-policy'],
  ),
  byCommands(
    'which events clients are told',
    [['CONFIG', 'SET', 'notify-keyspace-events', 'KEA']],
    ['setting/notify-keyspace-events'],
  ),
  byCommands('how much memory may be used', [['CONFIG', 'SET', 'maxmemory', '1gb']], [], {
    unseen: 'it is chosen for the machine; what happens when it is used up is compared',
  }),
  byCommands(
    'how the server packs and saves',
    [
      ['CONFIG', 'SET', 'list-max-listpack-size', '-1'],
      ['CONFIG', 'SET', 'save', '60 1'],
    ],
    [],
    {
      harmless: true,
    },
  ),
];

export const REDIS_DRIFTS: readonly Drift<RedisTwin>[] = [...VALUES, ...TIMES, ...GROUPS, ...SERVER];
