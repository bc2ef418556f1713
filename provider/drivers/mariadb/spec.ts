import { z } from 'zod';
import { StasisError } from '../../core/errors.ts';
import { parsePlace } from './connect/place.ts';

/** Connections that copy and load at once, unless said otherwise. */
export const DEFAULT_JOBS = 4;
/** How long the locks of a capture are tried for, unless said otherwise. */
export const DEFAULT_LOCK_TIMEOUT_MS = 10_000;

const url = z.string().superRefine((value, context) => {
  try {
    parsePlace(value);
  } catch (error) {
    if (!(error instanceof StasisError)) throw error;
    const params = { code: error.code, hint: error.hint };
    context.addIssue({ code: 'custom', message: error.message, params });
  }
});

/** What a user writes under `mariadb`, whichever of MariaDB and MySQL it leads to. */
export const mariadbSpec = z.strictObject({
  url: url
    .describe(
      "Where the server is and how to log in: `mariadb://user:password@host:port/database`; `mysql://` is the same, and either may lead to a MariaDB or to a MySQL. The client programs' `ssl-mode`, `ssl-ca`, `ssl-cert`, `ssl-key` and `connect-timeout` are honoured.",
    )
    .meta({ role: 'access', secret: true }),
  databases: z
    .array(z.string().min(1))
    .min(1)
    .optional()
    .describe(
      'Names of the databases to capture, all at one instant; `["*"]` is every database of the server but its own. The URL\'s database unless given.',
    )
    .meta({ role: 'selection' }),
  lockTimeoutMs: z
    .int()
    .min(1)
    .max(600_000)
    .optional()
    .describe(
      `For how long a capture tries to get its (weak) metadata locks on all tables, in milliseconds. It never waits in line for one. ${DEFAULT_LOCK_TIMEOUT_MS} unless given.`,
    )
    .meta({ role: 'limit' }),
  jobs: z
    .int()
    .min(1)
    .max(64)
    .optional()
    .describe(`How many connections copy or load tables at once. ${DEFAULT_JOBS} unless given.`)
    .meta({ role: 'limit' }),
});

export type MariadbSpec = z.infer<typeof mariadbSpec>;

export function jobsOf(spec: MariadbSpec): number {
  return spec.jobs ?? DEFAULT_JOBS;
}

export function lockTimeoutOf(spec: MariadbSpec): number {
  return spec.lockTimeoutMs ?? DEFAULT_LOCK_TIMEOUT_MS;
}
