import type { Host } from '../../../provider/core/host.ts';

/**
 * Does what argv[3] says on the host that argv[2] (a module, and its argument argv[4]) gives, says `ready`, and waits
 * to be killed: `lease FILE TTL` holds a lease whose rescue makes the file; `sleep SECONDS` runs a command.
 */
const [module = '', what = '', argument = '', ...rest] = process.argv.slice(2);
const { open } = (await import(module)) as { open(argument: string): Promise<Host> };
const host = await open(argument);
const { signal } = new AbortController();

if (what === 'lease') {
  const [file = '', ttlMs = ''] = rest;
  const lease = await host.lease(['touch', file], Number(ttlMs), { signal });
  process.on('SIGUSR1', () => void lease.renew());
} else {
  const spawned = await host.spawn(['sleep', rest[0] ?? ''], { signal });
  spawned.ended.catch(() => undefined);
}
console.log('ready');
setInterval(() => undefined, 60_000);
