import { capture } from '../../provider/coordinator/capture.ts';
import { allSettledOrThrow } from '../../provider/coordinator/concurrently.ts';
import { StasisError } from '../../provider/core/errors.ts';
import { judge } from '../../provider/core/judgement.ts';
import type { SealedSnapshot } from '../../provider/core/store.ts';
import { testContext } from '../support/context.ts';
import { type Application, keepBusy, startApplication } from './application.ts';
import type { Proof, ProofCase, ProofOptions } from './proof.ts';
import { sabotagedDriver } from './sabotaged.ts';
import { folderWays } from './ways/files.ts';
import { clockWays, postgresWays } from './ways/postgres.ts';
import { evidenceWays, redisWays } from './ways/redis.ts';
import type { MemberName, Way } from './ways/way.ts';

const WAYS: readonly Way[] = [...redisWays, ...evidenceWays, ...postgresWays, ...clockWays, ...folderWays];

/** Two of three, of every kind: more than thirty. */
const SHORT_WAYS = WAYS.filter((_, index) => index % 3 !== 2);

const RUNS_A_WAY = 4;
/** How many applications are sabotaged side by side: a cut that is tried in vain waits for most of its time. */
const LANES = 3;
const LIMITS = { maxPauseMs: 1_500, maxBlurMs: 0 };

/** Each kind of hold and mark, broken for real while the coordinator believes in it, is never sealed as sharp. */
export const sabotageProof: Proof = {
  name: 'sabotage',
  claim: 'a hold or mark that was broken is judged blurry, or the capture fails, every time',
  async run(options) {
    const complaints: string[] = [];
    const cases: ProofCase[] = [];
    const ways = (options.short ? SHORT_WAYS : WAYS).values();
    const lanes = Array.from({ length: LANES }, (_, lane) => lane);
    await allSettledOrThrow(lanes, options.signal, (_, signal) =>
      runLane(ways, { ...options, signal }, complaints, cases),
    );
    return {
      name: 'sabotage',
      runs: cases.reduce((sum, one) => sum + one.runs, 0),
      failures: cases.reduce((sum, one) => sum + one.failures, 0),
      figures: { ways: cases.length - LANES },
      complaints,
      cases,
    };
  },
};

/** An application of its own, on which one way after another is tried, until all lanes together have tried them all. */
async function runLane(
  ways: Iterator<Way>,
  options: ProofOptions,
  complaints: string[],
  cases: ProofCase[],
): Promise<void> {
  await using application = await startApplication();
  // Without traffic nothing would have to be held, and nothing that is sabotaged would matter.
  await using _traffic = keepBusy(application);
  cases.push(await control(application, options, complaints));
  for (let next = ways.next(); !next.done && !options.signal.aborted; next = ways.next())
    cases.push(await runWay(application, next.value, options.short ? 1 : RUNS_A_WAY, complaints, options));
}

/** Without sabotage the same application is sealed as sharp: the proof's own check can tell. */
async function control(
  application: Application,
  options: ProofOptions,
  complaints: string[],
): Promise<ProofCase> {
  const compositions: MemberName[][] = [
    ['a', 'b', 'redis'],
    ['a', 'redis', 'folder'],
    ['a', 'b'],
  ];
  let failures = 0;
  for (const names of compositions) {
    const outcome = await attempt(application, names, {});
    options.say(`control ${names.join('+')}: ${outcome.text}`);
    if (outcome.sharp) continue;
    failures += 1;
    complaints.push(`without sabotage, ${names.join('+')}: ${outcome.text}`);
  }
  return {
    name: 'control, nothing sabotaged',
    runs: compositions.length,
    failures,
    outcome: 'sealed as sharp',
  };
}

async function runWay(
  application: Application,
  way: Way,
  runs: number,
  complaints: string[],
  options: ProofOptions,
): Promise<ProofCase> {
  const outcomes = new Map<string, number>();
  let failures = 0;
  for (let run = 0; run < runs && !options.signal.aborted; run += 1) {
    const sabotage = await way.sabotage(application);
    const outcome = await attempt(application, way.members, sabotage).finally(() =>
      way.cleanUp?.(application),
    );
    outcomes.set(outcome.text, (outcomes.get(outcome.text) ?? 0) + 1);
    if (!outcome.sharp) continue;
    failures += 1;
    complaints.push(`${way.name}: sealed as sharp`);
  }
  const outcome = [...outcomes].map(([text, count]) => `${text} (${count})`).join(', ');
  options.say(`${way.name}: ${outcome}`);
  return { name: way.name, runs, failures, outcome };
}

async function attempt(
  application: Application,
  names: readonly MemberName[],
  sabotage: Awaited<ReturnType<Way['sabotage']>>,
): Promise<{ readonly sharp: boolean; readonly text: string }> {
  const context = testContext();
  const store = await application.openStore(context);
  const members = names.map((name) =>
    application.member(name, (driver) => sabotagedDriver(driver, sabotage[name] ?? {})),
  );
  try {
    const sealed: SealedSnapshot = await capture(
      { name: 'sabotage', owner: 'proof', members, store, limits: LIMITS, keep: 1, createdBy: 'proof' },
      context,
    );
    const { sharp } = judge(sealed.manifest.certificate);
    return { sharp, text: sharp ? 'sealed as sharp' : 'sealed as blurred' };
  } catch (error) {
    if (!(error instanceof StasisError) || error.code === 'internal') throw error;
    return { sharp: false, text: error.code };
  }
}
