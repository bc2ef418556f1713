import type { OutsideItem } from '../../core/manifest.ts';
import { type Info, numberOf } from './info.ts';

/** Modules that come with a server and keep nothing but keys. */
const KEYS_ONLY = new Set(['vectorset', 'lua']);

/** What of a server no capture holds. `users` tells why ACL users are not captured, if so. */
export function outsideOf(info: Info, modules: readonly string[], users: string | undefined): OutsideItem[] {
  const items: OutsideItem[] = [
    { code: 'redis.configuration', message: `the configuration (${policies(info)})` },
    { code: 'redis.default-user', message: 'the user "default" and its password' },
  ];
  if (users !== undefined) items.push({ code: 'redis.users', message: `ACL users (${users})` });
  const counted: readonly (readonly [code: string, counter: string, what: string])[] = [
    ['redis.scripts', 'number_of_cached_scripts', 'cached scripts, which clients load again'],
    ['redis.channels', 'pubsub_channels', 'channels with subscribers'],
    ['redis.patterns', 'pubsub_patterns', 'subscribed patterns'],
    ['redis.replicas', 'connected_slaves', 'replicas'],
    ['redis.blocked-clients', 'blocked_clients', 'clients that wait for an element'],
  ];
  for (const [code, counter, what] of counted) {
    const count = numberOf(info, counter);
    if (count > 0) items.push({ code, message: `${count} ${what}` });
  }
  for (const module of modules.filter((name) => !KEYS_ONLY.has(name)))
    items.push({ code: 'redis.module-data', message: `what the module ${module} keeps beside keys` });
  return items;
}

function policies(info: Info): string {
  const policy = info.get('maxmemory_policy') ?? 'unknown';
  const append = numberOf(info, 'aof_enabled') === 1 ? 'on' : 'off';
  return `maxmemory-policy ${policy}, appendonly ${append} and others`;
}
