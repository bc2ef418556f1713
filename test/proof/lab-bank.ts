import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { capture } from '../../provider/coordinator/capture.ts';
import { restore } from '../../provider/coordinator/restore.ts';
import type { Certificate } from '../../provider/core/certificate.ts';
import type { Context } from '../../provider/core/context.ts';
import { judge } from '../../provider/core/judgement.ts';
import type { SealedSnapshot, Store } from '../../provider/core/store.ts';
import { STORE_TYPES } from '../../provider/stores/registry.ts';
import { checkBank } from '../support/bank/bank.ts';
import { testContext } from '../support/context.ts';
import type { LabHere } from '../support/lab.ts';
import { type LabBank, type LabBankOptions, startLabBank } from './lab-bank-stops.ts';
import { isChosen, type Proof, type ProofCase, type ProofOptions } from './proof.ts';

const NAIVE_READINGS = 6;
const LIMITS = { maxPauseMs: 15_000, maxBlurMs: 0 };

/** How the members are captured, and whether their stores may lose what they acknowledged. */
export interface Round extends LabBankOptions {
  readonly cuts: number;
}

const ROUNDS: readonly Round[] = [
  { mode: 'drivers', relaxed: false, vm: true, cuts: 40 },
  { mode: 'drivers', relaxed: true, vm: true, cuts: 40 },
  { mode: 'mixed', relaxed: false, vm: true, cuts: 30 },
  { mode: 'mixed', relaxed: true, vm: true, cuts: 30 },
  { mode: 'full', relaxed: false, vm: true, cuts: 30 },
  { mode: 'full', relaxed: true, vm: true, cuts: 30 },
];
/** Without the VM, which takes a good part of a core; `ledger-vm.test.ts` has its books through a cut of power. */
const SHORT_ROUNDS: readonly Round[] = [{ mode: 'drivers', relaxed: true, vm: false, cuts: 2 }];

/**
 * Money moves from Postgres over Redis and MariaDB into the memory of a Node process and onto the disk of a VM, on two
 * hosts of the lab; every cut, restored on the other one, adds up to the last unit.
 */
export function labBankProof(lab: LabHere, all: readonly Round[] = ROUNDS): Proof {
  return {
    name: 'bank',
    claim:
      'over two hosts and a process’s memory none is torn either, nor with a VM’s disk, and the naive way is',
    async run(options) {
      const complaints: string[] = [];
      const cases: ProofCase[] = [];
      const figures: Record<string, string | number> = {};
      if (lab.reason !== undefined) options.say(`the bank in the lab is skipped: ${lab.reason}`);
      const rounds = lab.reason !== undefined ? [] : options.short ? SHORT_ROUNDS : all;
      for (const round of rounds.filter((one) => isChosen(nameOf(one), options))) {
        if (options.signal.aborted) break;
        cases.push(...(await new LabRound(round, options, complaints, figures).run(lab)));
      }
      return {
        name: 'bank',
        runs: cases.reduce((sum, one) => sum + one.runs, 0),
        failures: cases.reduce((sum, one) => sum + one.failures, 0),
        ...{ figures, complaints, cases },
      };
    },
  };
}

function nameOf({ mode, relaxed }: Round): string {
  return `${mode} in the lab, stores that write through ${relaxed ? 'late' : 'at once'}`;
}

const ADDS_UP = 'adds up';

/** Of a round's cuts. */
interface Seen {
  readonly pausesMs: number[];
  readonly holds: Map<string, number>;
  torn: number;
  failed: number;
}

class LabRound {
  readonly name: string;
  private readonly round: Round;
  private readonly options: ProofOptions;
  private readonly complaints: string[];
  private readonly figures: Record<string, string | number>;

  constructor(
    round: Round,
    options: ProofOptions,
    complaints: string[],
    figures: Record<string, string | number>,
  ) {
    this.name = nameOf(round);
    this.round = round;
    this.options = options;
    this.complaints = complaints;
    this.figures = figures;
  }

  async run(here: LabHere): Promise<ProofCase[]> {
    await using resources = new AsyncDisposableStack();
    const lab = resources.use(await here.start());
    const folder = await mkdtemp(join(tmpdir(), 'stasis-lab-bank-'));
    resources.defer(() => rm(folder, { recursive: true, force: true }));
    const bank = resources.use(await startLabBank(lab, this.round));
    const naive = await this.runNaive(bank);
    const cuts = await this.runCuts(bank, folder);
    const { moves, errors } = await bank.service.report();
    this.figures[`${this.name}: moves`] = moves;
    if (errors.length > 0) this.complaints.push(`${this.name}: the bank itself failed: ${errors.join('; ')}`);
    return [naive, { ...cuts, failures: cuts.failures + (errors.length > 0 ? 1 : 0) }];
  }

  /** Each store's books of one instant of its own, one after another, as native dumps would show them. */
  private async runNaive(bank: LabBank): Promise<ProofCase> {
    const { signal, say } = this.options;
    let torn = 0;
    for (let reading = 0; reading < NAIVE_READINGS && !signal.aborted; reading += 1) {
      const books = [];
      for (const stop of bank.stops) books.push(await stop.books());
      if (checkBank(books).torn) torn += 1;
    }
    say(`${this.name}: ${torn} of ${NAIVE_READINGS} naive readings are torn`);
    if (torn === 0) this.complaints.push(`${this.name}: no naive reading was torn, so the check cannot tell`);
    return {
      name: `${this.name}, naive`,
      runs: NAIVE_READINGS,
      failures: torn === 0 ? 1 : 0,
      outcome: `${torn} of ${NAIVE_READINGS} torn, as they should be`,
    };
  }

  private async runCuts(bank: LabBank, folder: string): Promise<ProofCase> {
    const { signal, say, runs: cuts = this.round.cuts } = this.options;
    const seen: Seen = { pausesMs: [], holds: new Map(), torn: 0, failed: 0 };
    let done = 0;
    for (; done < cuts && !signal.aborted; done += 1) {
      const startMs = Date.now();
      const outcome = await this.cut(bank, folder, seen).catch((error: unknown) => {
        if (!signal.aborted) seen.failed += 1;
        return `failed: ${error instanceof Error ? error.message : String(error)}`;
      });
      // Nothing of a cut that was interrupted is counted.
      if (signal.aborted) break;
      const tookS = Math.round((Date.now() - startMs) / 1_000);
      say(`${this.name}: cut ${done + 1} of ${cuts}, ${tookS} s in all, ${outcome}`);
      if (!outcome.endsWith(ADDS_UP)) this.complaints.push(`${this.name}, cut ${done + 1}: ${outcome}`);
    }
    const unheld = this.checkHolds(bank, seen.holds, done);
    const sorted = seen.pausesMs.toSorted((a, b) => a - b);
    this.figures[`${this.name}: median pauseMs`] = Math.round(sorted[Math.floor(sorted.length / 2)] ?? 0);
    this.figures[`${this.name}: worst pauseMs`] = Math.round(sorted.at(-1) ?? 0);
    const { torn, failed } = seen;
    return {
      name: `${this.name}, captured`,
      ...{ runs: done, failures: torn + failed + unheld },
      outcome: `${done - torn - failed} add up, ${torn} torn, ${failed} failed`,
    };
  }

  /** One capture, accounted for; what came of it, for people. */
  private async cut(bank: LabBank, folder: string, seen: Seen): Promise<string> {
    const context = testContext({ signal: this.options.signal });
    const store = await STORE_TYPES[0]!.open({ path: join(folder, 'store') }, context);
    const sealed = await capture(
      {
        ...{ name: 'bank', owner: 'proof', store, limits: LIMITS, keep: 2, createdBy: 'proof' },
        members: bank.stops.map(({ member }) => member),
      },
      context,
    );
    const { pauseMs, sizeBytes, certificate } = sealed.manifest;
    countHolds(certificate, seen.holds);
    seen.pausesMs.push(pauseMs);
    const faults = await faultsOf(bank, sealed, store, context);
    if (faults.length > 0) seen.torn += 1;
    const told = `paused ${pauseMs.toFixed(0)} ms, ${(sizeBytes / 1e6).toFixed(0)} MB`;
    return `${told}: ${faults.length === 0 ? ADDS_UP : faults.join('; ')}`;
  }

  /** Each member was held as its mode has it, at least once: otherwise another mode was proven than said. */
  private checkHolds(bank: LabBank, holds: ReadonlyMap<string, number>, done: number): number {
    const never = bank.stops.filter(({ member, held }) => !holds.has(`${member.name} ${held}`));
    for (const { member, held } of bank.stops)
      this.figures[`${this.name}: ${member.name} ${held}`] =
        `${holds.get(`${member.name} ${held}`) ?? 0} of ${done}`;
    for (const { member, held } of done === 0 ? [] : never)
      this.complaints.push(`${this.name}: ${member.name} was never ${held}`);
    return done > 0 && never.length > 0 ? 1 : 0;
  }
}

function countHolds({ members }: Certificate, holds: Map<string, number>): void {
  for (const [name, ties] of Object.entries(members))
    for (const how of new Set(ties.flatMap((tie) => (tie.tie === 'hold' ? [tie.how] : []))))
      holds.set(`${name} ${how}`, (holds.get(`${name} ${how}`) ?? 0) + 1);
}

/** Judged again from the stored certificate, restored elsewhere, and counted there. */
async function faultsOf(
  bank: LabBank,
  sealed: SealedSnapshot,
  store: Store,
  context: Context,
): Promise<string[]> {
  const opened = await store.open('bank', sealed.digest, context);
  const { sharp, findings } = judge(opened.manifest.certificate);
  const faults = sharp ? [] : [`not sharp: ${findings.map(({ message }) => message).join('; ')}`];
  const result = await restore(
    {
      ...{ restoreId: `bank-${sealed.generation}`, snapshot: opened, store },
      members: bank.stops.map(({ twin }) => twin),
      ...{ verify: 'report', overwrite: true, safetySnapshot: false, expiry: 'absolute', createdBy: 'proof' },
    },
    context,
  );
  if (result.verdict !== 'equivalent' && result.verdict !== 'identical')
    faults.push(`the restore is ${result.verdict}`);
  return [...faults, ...checkBank(await bank.twinBooks()).faults];
}
