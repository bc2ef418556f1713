import { z } from 'zod';
import { readJson } from '../core/blobs.ts';
import type { Context } from '../core/context.ts';
import { toStasisError } from '../core/errors.ts';
import { QUESTION_SCHEMA } from '../core/manifest-schema.ts';
import type { Answers, Question } from '../core/probe.ts';
import { isAsBefore, type Pace, type SampleRecord, type SampleWarmth } from '../core/sample.ts';
import { nsToMs } from '../core/units.ts';
import { sleep } from '../core/wait.ts';
import type { OpenSnapshot } from './compare.ts';
import type { Member } from './member.ts';
import { Turn, UNANSWERED } from './turn.ts';

/** A window is a round of all requests of a sample, and no shorter than this. */
const WINDOW_MS = 1_000;
/** What has just begun to run is left to itself for this long where it does not answer. */
const PAUSE_MS = 100;

/** How the members of a restore are asked, and since when. */
export interface Measuring {
  /** Since when they can be used, on the context's clock. */
  readonly sinceNs: number;
  readonly withinMs: number;
  /** Of a member by its name; undefined where it is not to be asked. */
  answersOf(member: string): Promise<Answers | undefined>;
}

/** Of what a restore has released. */
export function releasedMembers(
  { manifest }: Pick<OpenSnapshot, 'manifest'>,
  members: readonly Member[],
  context: Context,
): Measuring['answersOf'] {
  return async (name) => {
    const { driver, spec, host } = members.find((one) => one.name === name)!;
    return driver.ask?.(spec, host, context, manifest.members[name]!);
  };
}

/**
 * Asks what was asked before the cut again, all samples at once, each until it is answered as it was before or the time
 * is over. Never throws: there has been a restore, whatever comes of this, and whoever interrupts it has what was
 * measured until then.
 */
export async function measureWarmth(
  snapshot: OpenSnapshot,
  measuring: Measuring,
  context: Context,
): Promise<Record<string, SampleWarmth>> {
  const all = Object.entries(snapshot.manifest.samples ?? {}).map(async ([name, record]) => {
    context.progress({ step: 'measure', member: record.member, message: name });
    return [name, await measureOne(snapshot, record, measuring, context)] as const;
  });
  return Object.fromEntries(await Promise.all(all));
}

async function measureOne(
  snapshot: OpenSnapshot,
  { member, before, requests, error }: SampleRecord,
  measuring: Measuring,
  context: Context,
): Promise<SampleWarmth> {
  if (before === undefined || requests === undefined)
    return { member, requests: 0, error: `Nor at the cut: ${error?.message ?? 'nothing was said'}` };
  let questions: readonly Question[];
  try {
    const stored = await readJson(snapshot.blobs(member), requests.digest);
    questions = z.array(QUESTION_SCHEMA).min(1).parse(stored);
  } catch (thrown) {
    return { member, before, requests: 0, error: toStasisError(thrown, 'sample.failed').message };
  }
  return {
    member,
    ...(await untilWarm(questions, before, () => measuring.answersOf(member), measuring, context)),
  };
}

/** Window after window. */
async function untilWarm(
  questions: readonly Question[],
  before: Pace,
  answersOf: () => Promise<Answers | undefined>,
  { sinceNs, withinMs }: Measuring,
  { clock, signal }: Context,
): Promise<Omit<SampleWarmth, 'member'>> {
  const elapsedMs = (): number => nsToMs(clock.nowNs() - sinceNs);
  const isOver = (): boolean => signal.aborted || elapsedMs() >= withinMs;
  const windows: Pace[] = [];
  let turn: Turn | undefined;
  let isFinal = false;
  let error: string | undefined;
  let timeToWarmMs: number | undefined;
  do {
    try {
      turn ??= await Turn.open(await answersOf(), questions, clock, signal);
      const beganMs = elapsedMs();
      let isWhole = false;
      windows.push(
        await turn.pace((asked, tookMs) => {
          isWhole = asked >= questions.length && tookMs >= WINDOW_MS;
          return isWhole || isOver();
        }),
      );
      if (isWhole && isAsBefore(windows.at(-1)!, before)) timeToWarmMs = beganMs;
    } catch (thrown) {
      const { code, message } = toStasisError(thrown, 'sample.failed');
      error = message;
      isFinal = code === UNANSWERED;
      await turn?.[Symbol.asyncDispose]().then(undefined, () => undefined);
      turn = undefined;
      if (!isFinal) await sleep(PAUSE_MS, signal).catch(() => undefined);
    }
  } while (timeToWarmMs === undefined && !isFinal && !isOver());
  await turn?.[Symbol.asyncDispose]().then(undefined, () => undefined);
  const [first] = windows;
  return {
    before,
    requests: windows.reduce((sum, one) => sum + one.requests, 0),
    ...(first && { first, last: windows.at(-1)! }),
    ...(timeToWarmMs !== undefined && { timeToWarmMs }),
    ...(error !== undefined && { error }),
  };
}
