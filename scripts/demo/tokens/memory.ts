import type { Audit } from '../shop/books.ts';
import { digestAfter } from './job.ts';
import type { Machines } from './machines.ts';
import type { TokensReport } from './service.ts';

/** What lived in a process's memory alone, and what of it lives in the twin. */
export interface MemoryAudit {
  /** Customers that were logged in before the picture, of whom the tokens are known, and those still logged in. */
  readonly loggedIn: number;
  readonly stillLoggedIn: number;
  /** The step of the job at which the twin awoke, and where it and the original are. */
  readonly stepAtCut: number | null;
  readonly stepNow: number;
  readonly originalStepNow: number;
  readonly stepsInAll: number;
  /** For how long the twin did not live. */
  readonly awayMs: number | null;
  /** What in the twin is not as one instant would have it. */
  readonly faults: readonly string[];
}

/**
 * Asks the twin, and checks it: a till tells the service of an order before it places it, and has one at a time; and
 * whoever has done every step of the job has the digest of all of them.
 */
export async function auditMemory(
  machines: Machines,
  tokensBefore: readonly string[],
  books: Audit,
): Promise<MemoryAudit> {
  const stillLoggedIn = await machines.check('sovereign', tokensBefore);
  const twin = await machines.report('sovereign');
  const original = await machines.report('cloud');
  const faults = [...faultsOfJob(twin), ...faultsOfTills(twin, books)];
  if (stillLoggedIn !== tokensBefore.length)
    faults.push(`${tokensBefore.length - stillLoggedIn} customers are logged out`);
  return {
    ...{ loggedIn: tokensBefore.length, stillLoggedIn, faults },
    stepAtCut: twin.awoke?.step ?? null,
    stepNow: twin.job.step,
    originalStepNow: original.job.step,
    stepsInAll: twin.job.of,
    awayMs: twin.awoke?.awayMs ?? null,
  };
}

function faultsOfJob({ job, awoke }: TokensReport): string[] {
  const faults: string[] = [];
  if (digestAfter(job.step) !== job.digest) faults.push(`the job is not what ${job.step} steps make`);
  if (awoke === null) faults.push('the job never stood still: it is not the one that was photographed');
  else if (job.step <= awoke.step) faults.push(`the job stands at step ${job.step}`);
  return faults;
}

function faultsOfTills({ begun }: TokensReport, { tillOrders }: Audit): string[] {
  return tillOrders.flatMap((orders, index) => {
    const told = begun[index] ?? 0;
    return told === orders || told === orders + 1
      ? []
      : [`till ${index + 1} has placed ${orders} orders, and told of ${told}`];
  });
}
