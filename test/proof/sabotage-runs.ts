import { capture } from '../../provider/coordinator/capture.ts';
import { allSettledOrThrow } from '../../provider/coordinator/concurrently.ts';
import type { Member } from '../../provider/coordinator/member.ts';
import type { Context } from '../../provider/core/context.ts';
import type { Driver } from '../../provider/core/driver.ts';
import { toStasisError } from '../../provider/core/errors.ts';
import { judge } from '../../provider/core/judgement.ts';
import type { SealedSnapshot, Store } from '../../provider/core/store.ts';
import { testContext } from '../support/context.ts';
import type { Proof, ProofCase, ProofOptions } from './proof.ts';
import { type Sabotage, sabotagedDriver } from './sabotaged.ts';
import type { Way } from './ways/way.ts';

const RUNS_A_WAY = 4;

/** A real application whose members a saboteur can get at. */
export interface Sabotaged<Name extends string> extends AsyncDisposable {
  member(name: Name, change: (driver: Driver) => Driver): Member;
  openStore(context: Context): Promise<Store>;
}

/** Where a sabotage takes place: the application, and all the ways to break a cut of it. */
export interface Stage<App extends Sabotaged<Name>, Name extends string> {
  start(): Promise<App>;
  /** Without traffic nothing would have to be held, and nothing that is sabotaged would matter. */
  keepBusy(application: App): AsyncDisposable;
  /** How many applications are sabotaged side by side. */
  readonly lanes: number;
  readonly limits: { readonly maxPauseMs: number; readonly maxBlurMs: number };
  /** Members that together are sealed as sharp when nothing is sabotaged: the proof's own check can tell. */
  readonly controls: readonly (readonly Name[])[];
  readonly ways: readonly Way<App, Name>[];
  /** Whether the way at this place is part of the short form. */
  short(index: number): boolean;
}

/** Every way, again and again: what is broken is never sealed as sharp. */
export function sabotageOf<App extends Sabotaged<Name>, Name extends string>(
  stage: Stage<App, Name>,
  claim: string,
): Proof {
  return {
    name: 'sabotage',
    claim,
    async run(options) {
      const run = new SabotageRun(stage, options);
      const lanes = Array.from({ length: stage.lanes }, (_, lane) => lane);
      await allSettledOrThrow(lanes, options.signal, (_, signal) => run.lane(signal));
      const { cases, complaints } = run;
      return {
        name: 'sabotage',
        runs: cases.reduce((sum, one) => sum + one.runs, 0),
        failures: cases.reduce((sum, one) => sum + one.failures, 0),
        figures: { ways: cases.length - stage.lanes },
        complaints,
        cases,
      };
    },
  };
}

class SabotageRun<App extends Sabotaged<Name>, Name extends string> {
  readonly complaints: string[] = [];
  readonly cases: ProofCase[] = [];
  private readonly stage: Stage<App, Name>;
  private readonly options: ProofOptions;
  private readonly ways: Iterator<Way<App, Name>>;

  constructor(stage: Stage<App, Name>, options: ProofOptions) {
    this.stage = stage;
    this.options = options;
    const { only = '', short } = options;
    this.ways = stage.ways
      .filter((way, index) => way.name.includes(only) && (!short || stage.short(index)))
      .values();
  }

  /** An application of its own, on which one way after another is tried, until all lanes together have tried them all. */
  async lane(signal: AbortSignal): Promise<void> {
    await using application = await this.stage.start();
    await using _traffic = this.stage.keepBusy(application);
    this.cases.push(await this.control(application));
    for (let next = this.ways.next(); !next.done && !signal.aborted; next = this.ways.next())
      this.cases.push(await this.tryWay(application, next.value, signal));
  }

  private async control(application: App): Promise<ProofCase> {
    const { controls } = this.stage;
    let failures = 0;
    for (const names of controls) {
      const outcome = await this.attempt(application, names, {});
      this.options.say(`control ${names.join('+')}: ${outcome.text}`);
      if (outcome.sharp) continue;
      failures += 1;
      this.complaints.push(`without sabotage, ${names.join('+')}: ${outcome.text}`);
    }
    return {
      name: 'control, nothing sabotaged',
      runs: controls.length,
      failures,
      outcome: 'sealed as sharp',
    };
  }

  private async tryWay(application: App, way: Way<App, Name>, signal: AbortSignal): Promise<ProofCase> {
    const runs = this.options.short ? 1 : RUNS_A_WAY;
    const outcomes = new Map<string, number>();
    let failures = 0;
    for (let run = 0; run < runs && !signal.aborted; run += 1) {
      const sabotage = await way.sabotage(application);
      const outcome = await this.attempt(application, way.members, sabotage).finally(() =>
        way.cleanUp?.(application),
      );
      outcomes.set(outcome.text, (outcomes.get(outcome.text) ?? 0) + 1);
      if (!outcome.sharp) continue;
      failures += 1;
      this.complaints.push(`${way.name}: sealed as sharp`);
    }
    const outcome = [...outcomes].map(([text, count]) => `${text} (${count})`).join(', ');
    this.options.say(`${way.name}: ${outcome}`);
    return { name: way.name, runs, failures, outcome };
  }

  private async attempt(
    application: App,
    names: readonly Name[],
    sabotage: Partial<Record<Name, Sabotage>>,
  ): Promise<{ readonly sharp: boolean; readonly text: string }> {
    const context = testContext();
    const store = await application.openStore(context);
    const members = names.map((name) =>
      application.member(name, (driver) => sabotagedDriver(driver, sabotage[name] ?? {})),
    );
    const { limits } = this.stage;
    try {
      const sealed: SealedSnapshot = await capture(
        { name: 'sabotage', owner: 'proof', members, store, limits, keep: 1, createdBy: 'proof' },
        context,
      );
      const { sharp } = judge(sealed.manifest.certificate);
      return { sharp, text: sharp ? 'sealed as sharp' : 'sealed as blurred' };
    } catch (thrown) {
      const error = toStasisError(thrown);
      if (error.code === 'internal') throw thrown;
      return { sharp: false, text: error.code };
    }
  }
}
