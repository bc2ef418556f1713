import { StasisError, toStasisError } from '../../core/errors.ts';
import type { Command, ReplyError } from './connection.ts';
import { endpointOf, type RedisSpec } from './spec.ts';

const AT_URL = ['url'];

/** Why no connection came about. What the server or the network said never holds the password; it is not passed on raw. */
export function connectionProblem(spec: RedisSpec, cause: unknown): StasisError {
  if (cause instanceof StasisError && cause.code !== 'timeout') return cause;
  const endpoint = endpointOf(spec);
  const said = cause instanceof Error ? `${messagesOf(cause)}` : String(cause);
  if (/WRONGPASS|NOAUTH|invalid password|without any password configured/i.test(said))
    return new StasisError('redis.password', `${endpoint} does not accept the user and password.`, {
      hint: 'Check the user and the password in the URL; a password alone belongs to the user "default".',
      at: AT_URL,
    });
  if (/certificate|self[- ]signed|SSL|TLS|EPROTO|altname/i.test(said))
    return new StasisError('redis.tls', `${endpoint} was reached, but TLS failed: ${oneLine(said)}.`, {
      hint: 'Check that the port speaks TLS, and name the authority of its certificate with caFile.',
      at: AT_URL,
    });
  return new StasisError('redis.unreachable', `${endpoint} cannot be reached: ${oneLine(said)}.`, {
    hint: 'Check host and port in the URL, that the server runs, and whether it asks for TLS (rediss://).',
    at: AT_URL,
  });
}

/** What the server's error to one of our commands means. */
export function replyProblem(command: Command, error: ReplyError): StasisError {
  const name = String(command[0]).toUpperCase();
  switch (error.code) {
    case 'NOAUTH':
    case 'WRONGPASS':
      return new StasisError('redis.password', 'The server asks for a password that the URL does not have.', {
        hint: 'Give user and password in the URL.',
        at: AT_URL,
        cause: error,
      });
    case 'NOPERM':
      return new StasisError('redis.rights', `The login may not run ${name}.`, {
        hint: `Grant it with ACL SETUSER: +${name.toLowerCase()}.`,
        at: AT_URL,
        cause: error,
      });
    case 'OOM':
      return new StasisError('redis.target-memory', 'The server is out of memory (maxmemory).', {
        hint: 'Raise maxmemory, or give a larger server.',
        at: AT_URL,
        cause: error,
      });
    case 'READONLY':
      return replicaProblem();
    case 'MISCONF':
      return new StasisError(
        'redis.misconfigured',
        'The server refuses writes as it cannot save to its disk.',
        {
          hint: 'See the server log; free space where it writes its dump.',
          at: AT_URL,
          cause: error,
        },
      );
    case 'LOADING':
      return new StasisError('redis.loading', 'The server is still loading its data.', {
        hint: 'Try again when it has started.',
        at: AT_URL,
        cause: error,
      });
  }
  return new StasisError('redis.refused', `The server refused ${name}: ${oneLine(error.message)}.`, {
    at: AT_URL,
    cause: error,
  });
}

export function replicaProblem(): StasisError {
  return new StasisError(
    'redis.replica',
    'The server is a replica: its state comes from another server, which a lock here does not stop.',
    {
      hint: 'Give the URL of its primary.',
      at: AT_URL,
    },
  );
}

export function clusterProblem(): StasisError {
  return new StasisError(
    'redis.cluster',
    'The server is part of a Redis Cluster, whose nodes cannot be locked at one instant by this driver.',
    {
      hint: 'Only a server of its own can be captured and restored for now.',
      at: AT_URL,
    },
  );
}

export function sentinelProblem(): StasisError {
  return new StasisError('redis.sentinel', 'The URL leads to a Sentinel, which holds no data.', {
    hint: 'Give the URL of the primary that it watches.',
    at: AT_URL,
  });
}

/** Any problem, placed at the URL unless it has a place. */
export function atUrl(thrown: unknown): StasisError {
  const error = toStasisError(thrown, 'redis.failed');
  return error.at.length > 0 || error.code === 'cancelled' ? error : error.within('url');
}

function messagesOf(error: Error): string {
  if (error instanceof AggregateError) return error.errors.map((one: Error) => one.message).join(', ');
  const { cause } = error;
  return cause instanceof Error && cause.message !== error.message
    ? `${error.message} (${cause.message})`
    : error.message || error.name;
}

function oneLine(said: string): string {
  return said.replace(/\s+/g, ' ').replace(/\.$/, '').slice(0, 200);
}
