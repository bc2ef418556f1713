import type { BlobDigest } from './blob-digest.ts';
import { StasisError } from './errors.ts';
import type { HttpRequest } from './http-request.ts';
import type { CacheHits } from './sample.ts';

/** What a probe can ask in; each driver says which of these it answers. */
export const QUESTION_KINDS = ['sql', 'redis', 'command', 'http'] as const;
export type QuestionKind = (typeof QUESTION_KINDS)[number];

/** One question of a user's own, asked of one member. */
export interface Question {
  readonly kind: QuestionKind;
  /** One statement; or a command and its arguments; or the method and the URL of a request. */
  readonly words: readonly string[];
  /** Of a question in HTTP, all that is sent. */
  readonly http?: HttpRequest;
  /** Of a server with several: a database by the name that it had at the cut, or a number of Redis. */
  readonly database?: string;
}

/** Every answer is a table of text: one value is one row of one column. */
export interface Answer {
  readonly rows: readonly (readonly (string | null)[])[];
}

/** When two answers count as equal. */
export interface ProbeComparison {
  readonly rows: 'ordered' | 'unordered';
  /** Numbers may differ by this much. */
  readonly within?: number;
  /** The part of a JSON answer that is compared: a singular query of RFC 9535. */
  readonly jsonPath?: string;
}

/** What a user asks of a snapshot, by name. */
export interface Probe {
  readonly name: string;
  readonly member: string;
  readonly question: Question;
  readonly comparison: ProbeComparison;
  /** What the answer is to be at the cut. */
  readonly expect?: string;
  readonly timeoutMs: number;
  /** Whether a snapshot without a good answer is refused. */
  readonly required: boolean;
}

/** What a driver says of the questions that it answers. */
export interface Questions {
  readonly kinds: readonly QuestionKind[];
  /** What is wrong with a question that shows in it alone. Pure. */
  problem?(question: Question): StasisError | undefined;
}

/**
 * Answers questions. Never changes the member: a question that would is refused by the member's own system, or by the
 * driver.
 */
export interface Answers {
  /** Before a cut: connects, so that a question asked while something is held costs no more than itself. */
  prepare?(signal: AbortSignal): Promise<void>;
  /** @throws StasisError what the member's system answered, without what the question or the answer holds */
  answer(question: Question, options: AskOptions): Promise<Answer>;
  /**
   * For questions that are asked one after another, to see how long each takes. `first` says which database. Absent where
   * that is not to be had.
   */
  open?(first: Question, signal: AbortSignal): Promise<AskingSession>;
}

/** One connection, where the member has such, on which questions of one kind are asked. Changes nothing, as above. */
export interface AskingSession extends AsyncDisposable {
  /** What has to be done before the next question, and is no part of what it takes. */
  ready?(question: Question, options: AskOptions): Promise<void>;
  /** The answer is read to its end, and kept nowhere. @throws StasisError as `answer` does */
  ask(question: Question, options: AskOptions): Promise<void>;
  /** Asks what is no work, in the same way. */
  idle(options: AskOptions): Promise<void>;
  /** How much of what was needed lay in caches, since any time in the past; undefined where nobody can tell. */
  hits?(signal: AbortSignal): Promise<CacheHits | undefined>;
}

export interface AskOptions {
  readonly signal: AbortSignal;
  readonly timeoutMs: number;
}

/** An answer longer than this is refused: a probe is a question, not a copy. */
export const ANSWER_MAX_ROWS = 1_000;
export const ANSWER_MAX_BYTES = 1 << 20;

/**
 * How an answer is tied to the cut: by the mark that it was read from; by the hold it was asked in; by having been the
 * same right before the cut and right after it, where nobody answers within; or not at all.
 */
export type ProbeTie = 'mark' | 'hold' | 'around' | 'none';

/** What became of a probe at the cut, in a manifest. */
export interface ProbeRecord {
  readonly member: string;
  readonly question: Question;
  readonly comparison: ProbeComparison;
  readonly expect?: string;
  readonly timeoutMs: number;
  readonly tie: ProbeTie;
  /**
   * On the certificate's clock; of an answer by the hold it was asked in, inside that; of one around the cut, when it was
   * asked for the first time and answered for the second.
   */
  readonly askedNs?: number;
  readonly answeredNs?: number;
  /** Content of the snapshot like any other, in a blob of the member. */
  readonly answer?: {
    readonly digest: BlobDigest;
    readonly sizeBytes: number;
    readonly rows: number;
  };
  /** Why there is no answer. */
  readonly error?: { readonly code: string; readonly message: string };
  /** Whether the answer was what `expect` says; absent without `expect`. */
  readonly asExpected?: boolean;
}

/**
 * `answered` at the cut; `unmet` when it was not what was expected; `unsteady` when it cannot be tied to the cut;
 * `failed` when there was no answer. All but `answered` say that something was wrong in the original already.
 */
export type ProbeOutcome = 'answered' | 'unmet' | 'unsteady' | 'failed';

export function outcomeOfProbe(record: ProbeRecord): ProbeOutcome {
  if (record.answer === undefined) return 'failed';
  if (record.tie === 'none') return 'unsteady';
  return record.asExpected === false ? 'unmet' : 'answered';
}

/** What a probe found at the cut, for people; never what the answer was. */
export function probeMessage(record: ProbeRecord): string {
  const { answer, error } = record;
  switch (outcomeOfProbe(record)) {
    case 'failed':
      return `No answer: ${error?.message ?? 'nothing was said'}`;
    case 'unsteady':
      return 'The member changed while it was asked, so that the answer may not be that of the cut.';
    case 'unmet':
      return 'The answer was not the expected one: it was already so in the original.';
    case 'answered':
      return `Answered by ${answer!.rows === 1 ? 'one row' : `${answer!.rows} rows`}${record.asExpected ? ', as expected' : ''}.`;
  }
}

/** Which database a question is asked of: the one that it names by its name at the cut, or the only one. */
export function databaseOf<T extends { readonly name: string }>(
  databases: readonly T[],
  { database }: Question,
): T {
  const found =
    database === undefined
      ? databases.length === 1
        ? databases[0]
        : undefined
      : databases.find(({ name }) => name === database);
  if (found !== undefined) return found;
  const names = databases.map(({ name }) => name).join(', ');
  throw new StasisError(
    'probe.no-database',
    database === undefined
      ? 'The member has several databases, and the probe names none.'
      : `The member has no database "${database}".`,
    { hint: `Say with "database" which one is asked: ${names}.` },
  );
}

/** What a database is called in questions, which is its name at the cut, and what it is called now. */
export interface CalledDatabase {
  readonly name: string;
  readonly now: string;
}

/**
 * Which databases of a server are asked: those that a restore has filled, or those that were chosen, or all.
 * @param restored their names at the cut, and now, in the same order
 */
export async function calledDatabases(
  restored: { readonly names: readonly string[]; readonly now: readonly string[] } | undefined,
  chosen: readonly string[] | undefined,
  all: () => Promise<readonly { readonly name: string }[]>,
): Promise<CalledDatabase[]> {
  if (restored !== undefined)
    return restored.names.map((name, index) => ({ name, now: restored.now[index]! }));
  const names = chosen ?? (await all()).map(({ name }) => name);
  return names.map((name) => ({ name, now: name }));
}
