import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { capture } from '../../provider/coordinator/capture.ts';
import {
  type ComparisonResult,
  comparableMembers,
  comparableSnapshot,
  compare,
  type OpenSnapshot,
} from '../../provider/coordinator/compare.ts';
import type { Member } from '../../provider/coordinator/member.ts';
import { restore } from '../../provider/coordinator/restore.ts';
import type { Store } from '../../provider/core/store.ts';
import { STORE_TYPES } from '../../provider/stores/registry.ts';
import { testContext } from '../support/context.ts';
import { changedWhileHeld } from './drift/changed-while-held.ts';
import type { Drift, Kind, Subject, Twin } from './drift/drift.ts';
import { judged, type Outcome, said } from './drift/judged.ts';
import type { Proof, ProofCase, ProofOptions, ProofResult } from './proof.ts';

const LIMITS = { maxPauseMs: 30_000, maxBlurMs: 0 };
/** Clean restores that a whole run has to have seen, over all drivers. */
export const CLEAN_RESTORES = 100;
/** Of a driver whose twins are changed while they are held, and so are never clean. */
const HELD_CLEAN = 3;
/** Of the changes that are tried over all drivers, so many in a hundred have to be named. */
export const TO_CATCH = 0.95;

/** Of so many restores one is compared by itself as well before it is changed. */
const COMPARED_CLEAN = 4;

/** What a run of the proof has seen: for its table and for the docs. */
export interface Seen {
  readonly outcomes: Outcome[];
  /** What a restore or a comparison told of a twin that nobody had changed. */
  readonly falseAlarms: { readonly driver: string; readonly said: string }[];
  /** By driver: how many twins that nobody had changed were restored, and how many of them compared by themselves. */
  readonly clean: Map<string, { restores: number; comparisons: number }>;
}

export function cleanOf({ clean }: Seen, driver: string): { restores: number; comparisons: number } {
  const counts = clean.get(driver) ?? { restores: 0, comparisons: 0 };
  clean.set(driver, counts);
  return counts;
}

/**
 * A mutation test of our own judgement: a snapshot is restored by the coordinator, the restored system is changed by
 * other means than ours, and the product's own comparison has to name what was changed, and nothing else.
 */
export function verdictProof(
  kinds: readonly Kind[],
  report?: (seen: Seen, drivers: readonly string[]) => Promise<void>,
): Proof {
  return {
    name: 'verdict',
    claim:
      'every change of a restored system is named at the right object, and no clean restore is called drifted',
    async run(options) {
      const seen: Seen = { outcomes: [], falseAlarms: [], clean: new Map() };
      const skipped: string[] = [];
      for (const kind of kinds) {
        if (options.signal.aborted) break;
        if (kind.missing === undefined) await runKind(kind, seen, options);
        else {
          skipped.push(`${kind.driver}: ${kind.missing}`);
          options.say(`${kind.driver}: left out, ${kind.missing}`);
        }
      }
      const whole = !options.short && options.only === undefined && !options.signal.aborted;
      const done = kinds.filter((kind) => kind.missing === undefined && isWhole(kind, options));
      await report?.(
        seen,
        done.map(({ driver }) => driver),
      );
      return resultOf(kinds, seen, skipped, whole);
    },
  };
}

/** Whether all changes of a driver are tried: in a long run of everything, or of `--only DRIVER:`. */
function isWhole({ driver }: Kind, { short, only, signal }: ProofOptions): boolean {
  return !short && !signal.aborted && (only === undefined || only === `${driver}:`);
}

async function runKind(kind: Kind, seen: Seen, options: ProofOptions): Promise<void> {
  const drifts = chosen(kind, options);
  if (drifts.length === 0) return;
  await using bench = await Bench.start(kind, seen);
  for (const drift of drifts) {
    if (options.signal.aborted) return;
    const outcome = await bench.tryDrift(drift);
    seen.outcomes.push(outcome);
    options.say(`${kind.driver}: ${drift.name}: ${outcome.verdict} ${said(outcome.named)}`);
  }
  const wanted = kind.held && isWhole(kind, options) ? HELD_CLEAN : 0;
  const clean = cleanOf(seen, kind.driver);
  while (!options.signal.aborted && clean.restores < wanted) await bench.restoreOnly();
}

function chosen({ driver, drifts, inShort }: Kind, { short, only }: ProofOptions): readonly Drift[] {
  if (only !== undefined) return drifts.filter(({ name }) => `${driver}: ${name}`.includes(only));
  return short ? spread(drifts, inShort) : drifts;
}

/** So many of them, evenly over all kinds of changes. */
function spread<T>(items: readonly T[], count: number): T[] {
  const step = Math.max(1, items.length / count);
  return items
    .filter((_, index) => Math.floor(index / step) !== Math.floor((index - 1) / step))
    .slice(0, count);
}

/** One driver's original, captured once. */
class Bench implements AsyncDisposable {
  private readonly kind: Kind;
  private readonly subject: Subject;
  private readonly store: Store;
  private readonly snapshot: OpenSnapshot;
  private readonly seen: Seen;
  private readonly resources: AsyncDisposableStack;
  private restores = 0;

  private constructor(
    kind: Kind,
    subject: Subject,
    store: Store,
    snapshot: OpenSnapshot,
    seen: Seen,
    resources: AsyncDisposableStack,
  ) {
    this.kind = kind;
    this.subject = subject;
    this.store = store;
    this.snapshot = snapshot;
    this.seen = seen;
    this.resources = resources;
  }

  static async start(kind: Kind, seen: Seen): Promise<Bench> {
    await using starting = new AsyncDisposableStack();
    const folder = await mkdtemp(join(tmpdir(), 'stasis-verdict-'));
    starting.defer(() => rm(folder, { recursive: true, force: true }));
    const subject = starting.use(await kind.start());
    const context = testContext();
    const store = await STORE_TYPES[0]!.open({ path: join(folder, 'store') }, context);
    const { name, digest } = await capture(
      {
        ...{ name: 'verdict', owner: 'proof', members: [subject.member], store },
        ...{ limits: LIMITS, createdBy: 'proof' },
      },
      context,
    );
    const snapshot = await store.open(name, digest, context);
    return new Bench(kind, subject, store, snapshot, seen, starting.move());
  }

  tryDrift(drift: Drift): Promise<Outcome> {
    return this.kind.held ? this.tryHeld(drift) : this.tryRunning(drift);
  }

  /** Restores, compares, changes, and compares again. */
  private async tryRunning(drift: Drift): Promise<Outcome> {
    await using twin = await this.subject.twin();
    await this.restoreClean(twin, drift.name);
    if (this.restores % COMPARED_CLEAN === 1) await this.compareClean(twin, drift.name);
    await drift.change(twin);
    try {
      return this.outcome(drift, twin, await this.compareWith(twin));
    } finally {
      await drift.undo?.(twin);
    }
  }

  /** Restores, and changes what was loaded before the restore itself compares it. */
  private async tryHeld(drift: Drift): Promise<Outcome> {
    await using twin = await this.subject.twin();
    const member = changedWhileHeld(twin.member, () => drift.change(twin));
    return this.outcome(drift, twin, await this.restoreInto(member));
  }

  async restoreOnly(): Promise<void> {
    await using twin = await this.subject.twin();
    await this.restoreClean(twin, 'nothing');
  }

  private outcome(drift: Drift, twin: Twin, { members }: ComparisonResult): Outcome {
    const named = members[twin.member.name]!.differences;
    return { driver: this.kind.driver, drift, named, verdict: judged(drift, named) };
  }

  private async restoreClean({ member }: Twin, why: string): Promise<void> {
    cleanOf(this.seen, this.kind.driver).restores += 1;
    this.complain(await this.restoreInto(member), `restored before ${why}`);
  }

  private async compareClean(twin: Twin, why: string): Promise<void> {
    cleanOf(this.seen, this.kind.driver).comparisons += 1;
    this.complain(await this.compareWith(twin), `compared before ${why}`);
  }

  private restoreInto(member: Member): Promise<ComparisonResult> {
    this.restores += 1;
    const { snapshot, store } = this;
    return restore(
      {
        ...{ restoreId: `verdict-${this.restores}`, snapshot, store, members: [member], verify: 'report' },
        ...{ overwrite: false, safetySnapshot: false, expiry: 'absolute', createdBy: 'proof' },
      },
      testContext(),
    );
  }

  private compareWith({ member }: Twin): Promise<ComparisonResult> {
    const context = testContext();
    return compare(
      comparableSnapshot(this.snapshot, [member.driver]),
      comparableMembers([member], context),
      context,
    );
  }

  private complain({ verdict, members }: ComparisonResult, when: string): void {
    if (verdict === 'identical' || verdict === 'equivalent') return;
    const differences = Object.values(members).flatMap((member) => member.differences);
    const { driver } = this.kind;
    this.seen.falseAlarms.push({ driver, said: `${driver}, ${when}: ${verdict} ${said(differences)}` });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.resources.disposeAsync();
  }
}

function resultOf(
  kinds: readonly Kind[],
  seen: Seen,
  skipped: readonly string[],
  whole: boolean,
): ProofResult {
  const { outcomes, falseAlarms } = seen;
  const of = (verdict: Outcome['verdict']): Outcome[] => outcomes.filter((each) => each.verdict === verdict);
  const wrong = [...of('missed'), ...of('misnamed'), ...of('false alarm')];
  const tried = outcomes.filter(({ drift }) => !drift.harmless).length;
  const caught = of('caught').length;
  const clean = [...seen.clean.values()];
  const restores = clean.reduce((sum, one) => sum + one.restores, 0);
  const complaints = [
    ...wrong.map(
      ({ driver, drift, verdict, named }) => `${driver}, ${drift.name}: ${verdict} ${said(named)}`,
    ),
    ...falseAlarms.map((alarm) => alarm.said),
    ...(whole && restores < CLEAN_RESTORES ? [`only ${restores} clean restores`] : []),
    ...(whole && caught < TO_CATCH * tried ? [`only ${caught} of ${tried} changes were named`] : []),
  ];
  const cases = kinds.map(({ driver, missing }): ProofCase => {
    const own = outcomes.filter((each) => each.driver === driver);
    const bad = own.filter((each) => wrong.includes(each)).length;
    const count = (verdict: Outcome['verdict']): number =>
      own.filter((each) => each.verdict === verdict).length;
    const outcome =
      missing === undefined
        ? `${count('caught')} named, ${count('unseen')} not shown by rule, ${count('quiet')} harmless ones not told`
        : `left out: ${missing}`;
    return { name: driver, runs: own.length, failures: bad, outcome };
  });
  return {
    name: 'verdict',
    runs: outcomes.length,
    failures: complaints.length,
    figures: {
      changes: tried,
      caught: `${caught} (${tried === 0 ? 0 : Math.floor((1000 * caught) / tried) / 10} %)`,
      'clean restores': restores,
      'clean comparisons': clean.reduce((sum, one) => sum + one.comparisons, 0),
      'false alarms': falseAlarms.length + of('false alarm').length,
      ...(skipped.length > 0 ? { 'left out': skipped.length } : {}),
    },
    complaints,
    cases,
  };
}
