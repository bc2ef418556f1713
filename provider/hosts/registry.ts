import { z } from 'zod';
import type { Host } from '../core/host.ts';
import { hasUnknown, UNKNOWN, type Unknown } from '../core/resource.ts';
import { sshHost } from './ssh/host.ts';
import { placeOf, type SshSpec, sshSpec } from './ssh/spec.ts';

/** What a user says of a host. One kind so far; each has a key of its own. */
export const hostSpec = z
  .strictObject({ ssh: sshSpec.describe('By OpenSSH, whose client must be on PATH where Stasis runs.') })
  .meta({ typeName: 'Host' });

const opened = new Map<string, Host>();

/**
 * The host of that name. One and the same for as long as what is said of it is the same, so that all members and all
 * steps share a login.
 */
export function openHost(name: string, said: unknown): Host {
  const { ssh } = hostSpec.parse(said);
  const key = JSON.stringify([name, ssh]);
  const host = opened.get(key) ?? sshHost(name, ssh as SshSpec);
  opened.set(key, host);
  return host;
}

/**
 * Where a host is, without how it is logged in to: equal exactly for the same machine. A key may be unknown yet, or
 * anything; that changes nothing.
 */
export function locateHost(said: unknown): string | Unknown {
  const { address, port } = (said as { ssh?: { address?: unknown; port?: unknown } }).ssh ?? {};
  if (typeof address !== 'string' || hasUnknown(port)) return UNKNOWN;
  return placeOf({ address, port });
}
