import { randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import { JOB_STEPS, nextDigest } from './job.ts';

/**
 * Who is logged in, and a long job: both in nothing but this process's memory. It runs on a machine of its own, bundled
 * into one file, and answers on TOKENS_PORT:
 *   /begin/TILL/NUMBER/CUSTOMER  a till begins an order: logs the customer in, where that is to be, and answers the token
 *   /check/TOKEN,TOKEN,…         how many of these are valid
 *   /report                      a TokensReport
 */
export interface TokensReport {
  readonly tokens: number;
  /** The newest order that each till has begun; the first till's is first. */
  readonly begun: readonly number[];
  readonly job: { readonly step: number; readonly of: number; readonly digest: string };
  /** Set where the wall clock has jumped against the one that only counts: as after a time that it did not live. */
  readonly awoke: { readonly step: number; readonly awayMs: number } | null;
}

const STEP_MS = 4;
/** Clocks that are kept in step with others are moved by less. */
const JUMP_MS = 500;

/** Tokens by customer. */
const tokens = new Map<string, string>();
const valid = new Set<string>();
const begun: number[] = [];
const job = { step: 0, of: JOB_STEPS, digest: '' };
let awoke: TokensReport['awoke'] = null;
let [wallMs, countedMs] = [Date.now(), performance.now()];

function work(): void {
  const awayMs = Date.now() - wallMs - (performance.now() - countedMs);
  [wallMs, countedMs] = [Date.now(), performance.now()];
  if (Math.abs(awayMs) > JUMP_MS) awoke = { step: job.step, awayMs: Math.round(awayMs) };
  if (job.step === job.of) return;
  job.step += 1;
  job.digest = nextDigest(job.digest, job.step);
}

function begin(till: number, number: number, customer: string): string {
  const token = tokens.get(customer) ?? randomBytes(16).toString('hex');
  tokens.set(customer, token);
  valid.add(token);
  begun[till - 1] = number;
  return token;
}

function answer(path: string): unknown {
  const [, verb, ...rest] = path.split('/');
  if (verb === 'begin') return begin(Number(rest[0]), Number(rest[1]), rest[2] ?? '');
  if (verb === 'check') return (rest[0] ?? '').split(',').filter((token) => valid.has(token)).length;
  return { tokens: tokens.size, begun, job, awoke } satisfies TokensReport;
}

setInterval(work, STEP_MS);
createServer({ keepAliveTimeout: 600_000, maxHeaderSize: 256 * 1024 }, (request, response) => {
  response.end(JSON.stringify(answer(request.url ?? '')));
}).listen(Number(process.env.TOKENS_PORT));
