import { z } from 'zod';
import type { Driver } from '../core/driver.ts';
import { parseDuration } from '../core/duration.ts';
import { StasisError } from '../core/errors.ts';
import type { Manifest } from '../core/manifest.ts';
import { QUESTION_KINDS, type Question } from '../core/probe.ts';
import { hasUnknown, type Values } from '../core/resource.ts';
import { type Pace, type Sample, sampleSentence } from '../core/sample.ts';
import { roundMs } from '../core/units.ts';
import { askedDriver, given, QUESTIONS, questionName, questionOf, questionProblem } from './probes.ts';
import { readSampleFile } from './sample-file.ts';
import type { Services } from './services.ts';

const DEFAULT_DURATION_MS = 2_000;
const MOST_DURATION_MS = 60_000;

function listOf<T extends z.ZodType>(question: z.ZodOptional<T>, description: string) {
  return z.array(question.unwrap()).min(1).max(10_000).optional().describe(description);
}

const sample = z
  .strictObject({
    member: z.string().describe('Which member is asked, by its name.'),
    sql: listOf(QUESTIONS.sql, 'Of a database: statements that read, each as in a probe.'),
    redis: listOf(QUESTIONS.redis, 'Of a Redis: commands that only read keys, each with its arguments.'),
    command: listOf(
      QUESTIONS.command,
      'Of a folder, processes or a container: commands, each with its arguments, run as in a probe.',
    ),
    http: listOf(QUESTIONS.http, 'Of processes and containers: requests, made as in a probe.'),
    file: z
      .string()
      .min(1)
      .optional()
      .describe(
        'A file where the engine runs with requests that were recorded, one a line: a statement, a command, or a URL that is got. Empty lines, and those that begin with #, are skipped.',
      ),
    database: z
      .string()
      .optional()
      .describe(
        'Which database is asked, by its name at the cut, or its number in a Redis. The only one unless said; 0 in a Redis.',
      ),
    duration: z
      .string()
      .refine((text) => (parseDuration(text) ?? MOST_DURATION_MS + 1) <= MOST_DURATION_MS, {
        message: 'A sample is asked for a minute at most',
        params: { code: 'sample.duration', hint: 'For example 2s, 30s or 1m.' },
      })
      .optional()
      .describe('For how long they are asked, such as 10s; up to 1m. 2s unless said.'),
  })
  .superRefine((value, context) => {
    const said = [...QUESTION_KINDS, 'file' as const].filter((kind) => value[kind] !== undefined);
    if (said.length === 1) return;
    context.addIssue({
      code: 'custom',
      message:
        said.length === 0 ? 'A sample has requests' : 'A sample has requests of one kind, not of several',
      params: {
        code: said.length === 0 ? 'sample.no-request' : 'sample.two-kinds',
        hint: `Give one of ${QUESTION_KINDS.join(', ')}, file.`,
      },
    });
  })
  .meta({ typeName: 'Sample' });

/** What a Snapshot measures, by name. */
export const SAMPLES_INPUT = z
  .record(questionName('sample'), sample)
  .optional()
  .describe(
    'Requests of your own that only read, by name, each for one member: asked in turn of what runs, before anything is held, to know how quickly it answers and how much of it out of its caches. A Restore with warmWithin asks them of what it has released until that is as before. The requests are kept in the snapshot, no answer is. One that fails fails no capture. A change takes effect with the next generation.',
  );

/** What is wrong with samples that fit their schema and shows in them alone. Nothing for what is not known yet. */
export function sampleProblems(services: Services, inputs: Values): StasisError[] {
  return known(inputs).flatMap(([name, value]) => {
    const driver = askedDriver(services, inputs, value.member);
    if (driver === undefined) return [];
    const problems = driver instanceof StasisError ? [driver] : requestProblems(services, driver, value);
    return problems.map((problem) => problem.within('samples', name));
  });
}

/** The first that is wrong: a list of them may be long. */
function requestProblems(services: Services, driver: Driver, value: Values): StasisError[] {
  const { member, database } = value;
  if (typeof value.file === 'string')
    return driver.questions === undefined || driver.ask === undefined
      ? [unanswered(String(member), driver, 'file')]
      : [];
  const kind = QUESTION_KINDS.find((one) => value[one] !== undefined)!;
  for (const [index, words] of (value[kind] as unknown[]).entries()) {
    const problem = questionProblem(services, driver, String(member), questionOf(kind, words, database));
    if (problem === undefined) continue;
    const [first, ...rest] = problem.at;
    const isOfList = first === kind && problem.code !== 'probe.unanswerable';
    return [isOfList ? problem.placedAt([kind, String(index), ...rest]) : problem];
  }
  return driver.ask === undefined ? [unanswered(String(member), driver, kind)] : [];
}

function unanswered(member: string, { name }: Driver, at: string): StasisError {
  return new StasisError(
    'sample.unanswered',
    `"${member}" is captured by ${name}, which answers no requests.`,
    {
      hint: 'Ask a member that does, such as a database or what runs beside it.',
      at: [at],
    },
  );
}

/** What is wrong with the files that samples name: they are read when it is planned, and again when it is captured. */
export async function sampleFileProblems(services: Services, inputs: Values): Promise<StasisError[]> {
  const problems = known(inputs).map(async ([name, value]) => {
    const driver = askedDriver(services, inputs, value.member);
    if (typeof value.file !== 'string' || driver === undefined || driver instanceof StasisError) return [];
    if (driver.ask === undefined) return [];
    const read = await readSampleFile(value.file, driver, value.database);
    return read instanceof StasisError ? [read.within('samples', name)] : [];
  });
  return (await Promise.all(problems)).flat();
}

/** The samples of inputs that fit their schema. @throws StasisError where a file cannot be read any more */
export async function samplesOf(services: Services, inputs: Values): Promise<Sample[]> {
  const samples = known(inputs).map(async ([name, value]): Promise<Sample> => {
    const questions = await questionsOf(services, inputs, value);
    if (questions instanceof StasisError) throw questions.within('samples', name);
    const durationMs = parseDuration(String(value.duration ?? '')) ?? DEFAULT_DURATION_MS;
    return { name, member: String(value.member), questions, durationMs };
  });
  return Promise.all(samples);
}

async function questionsOf(
  services: Services,
  inputs: Values,
  value: Values,
): Promise<readonly Question[] | StasisError> {
  const { member, database, file } = value;
  if (typeof file === 'string') {
    const driver = askedDriver(services, inputs, member);
    if (driver === undefined || driver instanceof StasisError)
      return driver ?? new StasisError('member.no-driver', 'The member has no driver.', { at: ['member'] });
    return readSampleFile(file, driver, database);
  }
  const kind = QUESTION_KINDS.find((one) => value[one] !== undefined)!;
  return (value[kind] as unknown[]).map((words) => questionOf(kind, words, database));
}

function known({ samples }: Values): [string, Values][] {
  return Object.entries(given(samples)).flatMap(([name, value]): [string, Values][] => {
    const said = given(value);
    return hasUnknown(said) || !sample.safeParse(said).success ? [] : [[name, said]];
  });
}

/** A share of what was needed; absent where nobody can tell. */
export const HIT_RATE = z.number().optional();

export const SAMPLE_OUTPUT = z
  .object({
    member: z.string().describe('Which member was asked.'),
    outcome: z
      .enum(['measured', 'failed'])
      .describe('measured, or failed (a request had no answer, or nobody could be asked).')
      .meta({ typeName: 'SampleOutcome' }),
    requests: z.number().int().describe('How many requests were answered.'),
    p50Ms: z.number().describe('Half of them took no longer than this, in milliseconds; 0 where it failed.'),
    p99Ms: z.number().describe('All but a hundredth took no longer than this, in milliseconds.'),
    lineMs: z
      .number()
      .describe(
        'The least that a question took which is no work, in milliseconds: so much of the others is the line.',
      ),
    hitRate: HIT_RATE.describe(
      'What share of what they needed lay in caches, 0 to 1: of Postgres by these requests alone, of MariaDB, MySQL and Redis by all of the server meanwhile. Absent where nobody can tell.',
    ),
    message: z.string().describe('For people.'),
  })
  .meta({ typeName: 'SampleResult' });

export function sampleOutputs({ samples = {} }: Manifest): Values {
  return Object.fromEntries(
    Object.entries(samples).map(([name, { member, before, error }]) => [
      name,
      {
        member,
        outcome: before === undefined ? 'failed' : 'measured',
        ...paceOutputs(before ?? { requests: 0, p50Ms: 0, p99Ms: 0, lineMs: 0 }),
        message: sampleSentence({ before, error }),
      },
    ]),
  );
}

function paceOutputs({ requests, p50Ms, p99Ms, lineMs, hitRate }: Pace): Values {
  const rounded = { p50Ms: roundMs(p50Ms), p99Ms: roundMs(p99Ms), lineMs: roundMs(lineMs) };
  return { requests, ...rounded, ...(hitRate !== undefined && { hitRate }) };
}
