import { z } from 'zod';
import { readJson } from '../core/blobs.ts';
import type { Context } from '../core/context.ts';
import { type StasisError, toStasisError } from '../core/errors.ts';
import { QUESTION_SCHEMA } from '../core/manifest-schema.ts';
import type { Answers, Question } from '../core/probe.ts';
import {
  type Pace,
  type PaceWindow,
  type SampleRecord,
  type SampleWarmth,
  STEADY_MS,
  warmWindow,
} from '../core/sample.ts';
import { nsToMs } from '../core/units.ts';
import { sleep } from '../core/wait.ts';
import type { OpenSnapshot } from './compare.ts';
import type { Member } from './member.ts';
import { Turn, UNANSWERED } from './turn.ts';

/** A window is a round of all requests of a sample at least, and as short as a percentile of it means something. */
const WINDOW_MS = 100;
const WINDOW_REQUESTS = 100;
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
    const member = members.find((one) => one.name === name);
    return member?.driver.ask?.(member.spec, member.host, context, manifest.members[name]!);
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
    return { member, requests: 0, error: `Nor before the cut: ${error?.message ?? 'nothing was said'}` };
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
  const limits = { clock, signal, leftMs: () => withinMs - elapsedMs() };
  const windows = new Windows(before);
  let turn: Turn | undefined;
  let error: StasisError | undefined;
  do {
    try {
      turn ??= await Turn.open(await answersOf(), questions, limits);
      const beganMs = elapsedMs();
      let isWhole = false;
      let endedMs = beganMs;
      const pace = await turn.pace((asked, tookMs) => {
        isWhole = asked >= questions.length && isLongEnough(asked, tookMs);
        endedMs = beganMs + tookMs;
        return isWhole || isOver();
      });
      windows.add({ ...pace, beganMs, endedMs }, isWhole);
    } catch (thrown) {
      error = toStasisError(thrown, 'sample.failed');
      await close(turn);
      turn = undefined;
      if (error.code === UNANSWERED) break;
      await sleep(PAUSE_MS, signal).catch(() => undefined);
    }
  } while (windows.warm === undefined && !isOver());
  await close(turn);
  return { before, ...windows.told(), ...(error && { error: error.message }) };
}

function isLongEnough(requests: number, tookMs: number): boolean {
  return (requests >= WINDOW_REQUESTS && tookMs >= WINDOW_MS) || tookMs >= STEADY_MS;
}

async function close(turn: Turn | undefined): Promise<void> {
  await turn?.[Symbol.asyncDispose]().then(undefined, () => undefined);
}

/** What was seen of one sample; of windows long ago no more than sums. */
class Windows {
  warm: PaceWindow | undefined;
  private readonly before: Pace;
  private requests = 0;
  private first: PaceWindow | undefined;
  private last: PaceWindow | undefined;
  private recent: readonly PaceWindow[] = [];

  constructor(before: Pace) {
    this.before = before;
  }

  /** @param isWhole whether it counts as warm where it is; one that was broken off by the clock does not */
  add(window: PaceWindow, isWhole: boolean): void {
    this.requests += window.requests;
    this.first ??= window;
    this.last = window;
    if (!isWhole) return;
    this.recent = [...this.recent, window];
    this.warm = warmWindow(this.recent, this.before);
    this.recent = this.recent.filter(({ beganMs }) => beganMs + STEADY_MS > window.endedMs);
  }

  told(): Pick<SampleWarmth, 'requests' | 'first' | 'last' | 'timeToWarmMs'> {
    const { requests, first, warm } = this;
    const last = warm ?? this.last;
    return {
      requests,
      ...(first && last && { first: paceAlone(first), last: paceAlone(last) }),
      ...(warm && { timeToWarmMs: warm.beganMs }),
    };
  }
}

function paceAlone({ beganMs: _began, endedMs: _ended, ...pace }: PaceWindow): Pace {
  return pace;
}
