import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { capture } from '../../provider/coordinator/capture.ts';
import type { Member } from '../../provider/coordinator/member.ts';
import { restore } from '../../provider/coordinator/restore.ts';
import type { Context } from '../../provider/core/context.ts';
import { judge } from '../../provider/core/judgement.ts';
import type { SealedSnapshot, Store } from '../../provider/core/store.ts';
import { STORE_TYPES } from '../../provider/stores/registry.ts';
import { checkBank, readBank, readBooks, type StoreBooks, startBank } from '../support/bank/bank.ts';
import { testContext } from '../support/context.ts';
import { memberOf } from '../support/member.ts';
import { startPostgres } from '../support/postgres-server.ts';
import { startRedis } from '../support/redis-server.ts';
import { isChosen, type Proof, type ProofCase, type ProofOptions } from './proof.ts';

const CUTS = 50;
const SHORT_CUTS = 3;
const NAIVE_DUMPS = 6;
const LIMITS = { maxPauseMs: 3_000, maxBlurMs: 0 };
const run = promisify(execFile);

/** A kind of bank: which stores a move goes through, how restless it is, and what a cut of it must cost nobody. */
interface Round {
  readonly name: string;
  readonly stores: readonly ('postgres' | 'redis')[];
  readonly restMs: number;
  /** Whether nothing may be paused at all. */
  readonly unpaused: boolean;
}

const ROUNDS: readonly Round[] = [
  { name: 'postgres and redis', stores: ['postgres', 'redis'], restMs: 4, unpaused: false },
  {
    name: 'three postgres servers',
    stores: ['postgres', 'postgres', 'postgres'],
    restMs: 12,
    unpaused: true,
  },
];

/** Money moves between stores; every cut, restored elsewhere, adds up to the last unit. */
export const bankProof: Proof = {
  name: 'bank',
  claim: 'of captures under load none is torn by exact accounting, and the naive way is',
  async run(options) {
    const complaints: string[] = [];
    const cases: ProofCase[] = [];
    const figures: Record<string, string | number> = {};
    for (const round of ROUNDS.filter(({ name }) => isChosen(name, options))) {
      if (options.signal.aborted) break;
      cases.push(...(await runRound(round, options, complaints, figures)));
    }
    return {
      name: 'bank',
      runs: cases.reduce((sum, one) => sum + one.runs, 0),
      failures: cases.reduce((sum, one) => sum + one.failures, 0),
      figures,
      complaints,
      cases,
    };
  },
};

interface Server {
  readonly url: string;
  stop(): Promise<void>;
}

async function startServer(kind: 'postgres' | 'redis'): Promise<Server> {
  if (kind === 'redis') return startRedis();
  const server = await startPostgres();
  return { url: server.url(), stop: () => server.stop() };
}

async function runRound(
  round: Round,
  options: ProofOptions,
  complaints: string[],
  figures: Record<string, string | number>,
): Promise<ProofCase[]> {
  await using resources = new AsyncDisposableStack();
  const start = async (kind: 'postgres' | 'redis'): Promise<Server> => {
    const server = await startServer(kind);
    resources.defer(() => server.stop());
    return server;
  };
  const originals = await Promise.all(round.stores.map(start));
  const twins = await Promise.all(round.stores.map(start));
  const folder = await mkdtemp(join(tmpdir(), 'stasis-bank-'));
  resources.defer(() => rm(folder, { recursive: true, force: true }));
  const bank = await startBank(
    originals.map(({ url }) => url),
    { restMs: round.restMs },
  );
  resources.defer(() => bank.stop());

  const naive = await runNaive(round, originals, twins, options);
  if (naive.failures > 0) complaints.push(`${round.name}: no naive dump was torn, so the check cannot tell`);
  const cuts = await runCuts(round, originals, twins, folder, options, complaints, figures);
  figures[`${round.name}: moves`] = (await bank.report()).moves;
  return [naive, cuts];
}

function membersOf(round: Round, servers: readonly Server[]): Member[] {
  return servers.map(({ url }, index) => memberOf(round.stores[index]!, { url }, { name: `store${index}` }));
}

async function runCuts(
  round: Round,
  originals: readonly Server[],
  twins: readonly Server[],
  folder: string,
  options: ProofOptions,
  complaints: string[],
  figures: Record<string, string | number>,
): Promise<ProofCase> {
  const pausesMs: number[] = [];
  let failures = 0;
  const cuts = options.runs ?? (options.short ? SHORT_CUTS : CUTS);
  let done = 0;
  for (; done < cuts && !options.signal.aborted; done += 1) {
    const context = testContext({ signal: options.signal });
    const store = await STORE_TYPES[0]!.open({ path: join(folder, 'store') }, context);
    const sealed = await capture(
      {
        name: 'bank',
        owner: 'proof',
        members: membersOf(round, originals),
        store,
        limits: LIMITS,
        keep: 2,
        createdBy: 'proof',
      },
      context,
    );
    const faults = await faultsOf(round, sealed, store, twins, context);
    pausesMs.push(sealed.manifest.pauseMs);
    options.say(
      `${round.name}: cut ${done + 1} of ${cuts}, paused ${sealed.manifest.pauseMs.toFixed(1)} ms: ${faults.length === 0 ? 'adds up' : faults.join('; ')}`,
    );
    if (faults.length === 0) continue;
    failures += 1;
    complaints.push(`${round.name}, cut ${done + 1}: ${faults.join('; ')}`);
  }
  const sorted = pausesMs.toSorted((a, b) => a - b);
  figures[`${round.name}: median pauseMs`] = Number((sorted[Math.floor(sorted.length / 2)] ?? 0).toFixed(2));
  figures[`${round.name}: worst pauseMs`] = Number((sorted.at(-1) ?? 0).toFixed(2));
  return {
    name: `${round.name}, captured`,
    runs: done,
    failures,
    outcome: `${done - failures} add up, ${failures} torn`,
  };
}

/** Judged again from the stored certificate, restored elsewhere, and counted there. */
async function faultsOf(
  round: Round,
  sealed: SealedSnapshot,
  store: Store,
  twins: readonly Server[],
  context: Context,
): Promise<string[]> {
  const opened = await store.open('bank', sealed.digest, context);
  const { sharp, findings } = judge(opened.manifest.certificate);
  const faults = sharp ? [] : [`not sharp: ${findings.map(({ message }) => message).join('; ')}`];
  if (round.unpaused && opened.manifest.pauseMs > 0) faults.push(`paused ${opened.manifest.pauseMs} ms`);
  const result = await restore(
    {
      restoreId: `bank-${sealed.generation}`,
      snapshot: opened,
      store,
      members: membersOf(round, twins),
      verify: 'report',
      overwrite: true,
      safetySnapshot: false,
      expiry: 'absolute',
      createdBy: 'proof',
    },
    context,
  );
  if (result.verdict !== 'equivalent' && result.verdict !== 'identical')
    faults.push(`the restore is ${result.verdict}`);
  const books = await readBank(twins.map(({ url }) => url));
  return [...faults, ...checkBank(books).faults];
}

/** One native dump after another, as it is done without us; at least one of some has to come out torn. */
async function runNaive(
  round: Round,
  originals: readonly Server[],
  twins: readonly Server[],
  options: ProofOptions,
): Promise<ProofCase> {
  let torn = 0;
  for (let dump = 0; dump < NAIVE_DUMPS && !options.signal.aborted; dump += 1) {
    const books: StoreBooks[] = [];
    for (const [index, { url }] of originals.entries())
      books.push(
        round.stores[index] === 'redis' ? await readBooks(url) : await dumpedBooks(url, twins[index]!.url),
      );
    if (checkBank(books).torn) torn += 1;
  }
  options.say(`${round.name}: ${torn} of ${NAIVE_DUMPS} naive dumps are torn`);
  return {
    name: `${round.name}, naive`,
    runs: NAIVE_DUMPS,
    failures: torn === 0 ? 1 : 0,
    outcome: `${torn} of ${NAIVE_DUMPS} torn, as they should be`,
  };
}

/** pg_dump of the original, loaded into a scratch database beside the twin's, and read there. */
async function dumpedBooks(from: string, to: string): Promise<StoreBooks> {
  const scratch = new URL(to);
  const create = async (sql: string): Promise<unknown> =>
    run('psql', ['-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', to, '-c', sql]);
  await create('CREATE DATABASE naive');
  try {
    scratch.pathname = '/naive';
    const { stdout } = await run('pg_dump', ['-d', from], { maxBuffer: 64 * 1024 * 1024 });
    const loading = run('psql', ['-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', scratch.href]);
    loading.child.stdin?.end(stdout);
    await loading;
    return await readBooks(scratch.href);
  } finally {
    await create('DROP DATABASE naive WITH (FORCE)');
  }
}
