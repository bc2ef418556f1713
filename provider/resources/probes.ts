import { z } from 'zod';
import { parseJsonPath } from '../core/answer.ts';
import type { Driver } from '../core/driver.ts';
import { StasisError } from '../core/errors.ts';
import type { Manifest } from '../core/manifest.ts';
import {
  outcomeOfProbe,
  type Probe,
  probeMessage,
  QUESTION_KINDS,
  type Question,
  type QuestionKind,
} from '../core/probe.ts';
import { hasUnknown, type Values } from '../core/resource.ts';
import { HTTP_QUESTION, type HttpQuestion, httpRequestOf } from './http-question.ts';
import { driverOf } from './members.ts';
import type { Services } from './services.ts';

/** How long an answer is waited for, unless said. */
const DEFAULT_TIMEOUT_MS = 5_000;

const word = z.string().max(10_000);
/** What is asked, in the words of each kind of question. */
export const QUESTIONS: Readonly<
  Record<QuestionKind, z.ZodOptional<z.ZodString | z.ZodArray | typeof HTTP_QUESTION>>
> = {
  sql: z
    .string()
    .min(1)
    .max(100_000)
    .optional()
    .describe(
      'Of a database: one statement that reads. It is asked in the very snapshot that was captured, in a transaction that can only read.',
    ),
  redis: z
    .array(word)
    .min(1)
    .optional()
    .describe('Of a Redis: a command that only reads keys, and its arguments.'),
  command: z
    .array(word)
    .min(1)
    .optional()
    .describe(
      "Of a folder, processes or a container: a command and its arguments, run there, without a shell. What it prints is the answer; it must change nothing. In a folder, STASIS_PATH in its environment is the folder's path; elsewhere it is asked when http is.",
    ),
  http: HTTP_QUESTION.optional().describe(
    'Of processes and containers: a request, made within their network. The body is the answer; it must be the same right before the cut and right after it, and of what is restored, which runs for that before its release, cut off from others.',
  ),
};

const probe = z
  .strictObject({
    member: z.string().describe('Which member is asked, by its name.'),
    ...QUESTIONS,
    database: z
      .string()
      .optional()
      .describe(
        'Which database is asked, by its name at the cut, or its number in a Redis. The only one unless said; 0 in a Redis.',
      ),
    rows: z
      .enum(['ordered', 'unordered'])
      .optional()
      .describe(
        'Whether the order of rows counts. unordered unless said: a query without ORDER BY has no order.',
      )
      .meta({ typeName: 'RowOrder' }),
    within: z
      .number()
      .nonnegative()
      .optional()
      .describe('By how much numbers may differ. 0 unless said. Rows are then compared in order.'),
    jsonPath: z
      .string()
      .refine((path) => parseJsonPath(path) !== undefined, {
        message: 'This is no path to one place in a JSON text',
        params: { code: 'probe.json-path', hint: "For example $.items[0]['unit price'], as in RFC 9535." },
      })
      .optional()
      .describe(
        'Of an answer that is one JSON text: the path to the one value in it that counts ($.items[0].name).',
      ),
    expect: z
      .string()
      .optional()
      .describe(
        'What the one value answered is to be at the cut. Another one is told: it was already so in the original.',
      ),
    timeoutMs: z
      .number()
      .int()
      .positive()
      .max(60_000)
      .optional()
      .describe(
        `How long an answer is waited for, in milliseconds. ${DEFAULT_TIMEOUT_MS} unless said; while members are held, all probes of a member have a quarter of maxPauseMs.`,
      ),
    required: z
      .boolean()
      .optional()
      .describe(
        'Whether the capture fails where there is no answer, it is not the expected one, or it cannot be tied to the cut. false unless said: then that is told.',
      ),
  })
  .superRefine((value, context) => {
    const given = QUESTION_KINDS.filter((kind) => value[kind] !== undefined);
    if (given.length === 1) return;
    context.addIssue({
      code: 'custom',
      message: given.length === 0 ? 'A probe asks one question' : 'A probe asks one question, not several',
      params: {
        code: given.length === 0 ? 'probe.no-question' : 'probe.two-questions',
        hint: `Give one of ${QUESTION_KINDS.join(', ')}.`,
      },
    });
  })
  .meta({ typeName: 'Probe' });

export function questionName(what: string): z.ZodString {
  return z
    .string()
    .regex(
      /^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$/,
      `A ${what} name has up to 63 letters, digits, "-" and "_", and starts with a letter or digit`,
    );
}

/** What a Snapshot asks, by name. */
export const PROBES_INPUT = z
  .record(questionName('probe'), probe)
  .optional()
  .describe(
    'Questions of your own, by name, each to one member: asked at the cut, and again of what is restored before it is released. Another answer then makes that member drifted. Questions and answers are kept in the snapshot: put no secret into one. A change takes effect with the next generation.',
  );

/** The probes of inputs that fit their schema. */
export function probesOf(inputs: Values): Probe[] {
  return Object.entries(given(inputs.probes)).map(([name, said]) => {
    const value = said as z.infer<typeof probe>;
    return {
      name,
      member: value.member,
      question: onlyQuestionOf(value),
      comparison: {
        rows: value.rows ?? 'unordered',
        ...(value.within === undefined || value.within === null ? {} : { within: value.within }),
        ...(value.jsonPath ? { jsonPath: value.jsonPath } : {}),
      },
      ...(value.expect === undefined || value.expect === null ? {} : { expect: value.expect }),
      timeoutMs: value.timeoutMs ?? DEFAULT_TIMEOUT_MS,
      required: value.required === true,
    };
  });
}

function onlyQuestionOf(value: Values): Question {
  const kind = QUESTION_KINDS.find((each) => value[each] !== undefined && value[each] !== null)!;
  return questionOf(kind, value[kind], value.database);
}

/** @param words as a user writes a question of that kind */
export function questionOf(kind: QuestionKind, words: unknown, database?: unknown): Question {
  if (kind === 'http') {
    const http = httpRequestOf(words as HttpQuestion);
    return { kind, words: [http.method, http.url], http };
  }
  return {
    kind,
    words: Array.isArray(words) ? words.map(String) : [String(words)],
    ...(typeof database === 'string' ? { database } : {}),
  };
}

/** What is wrong with probes that fit their schema: whom they ask, and what of. Nothing for what is not known yet. */
export function probeProblems(services: Services, inputs: Values): StasisError[] {
  const problems: StasisError[] = [];
  for (const [name, value] of Object.entries(given(inputs.probes))) {
    if (hasUnknown(value) || !probe.safeParse(value).success) continue;
    const problem = problemOf(services, inputs, value as Values);
    if (problem !== undefined) problems.push(problem.within('probes', name));
  }
  return problems;
}

function problemOf(services: Services, inputs: Values, value: Values): StasisError | undefined {
  const driver = askedDriver(services, inputs, value.member);
  if (driver === undefined || driver instanceof StasisError) return driver;
  return questionProblem(services, driver, String(value.member), onlyQuestionOf(value));
}

/** The driver of the member that is to be asked; undefined while it is not known. */
export function askedDriver(
  services: Services,
  inputs: Values,
  member: unknown,
): Driver | StasisError | undefined {
  const name = String(member);
  const members = given(inputs.members);
  if (inputs.members !== undefined && typeof inputs.members !== 'object') return undefined;
  if (Object.hasOwn(members, name)) return driverOf(services, name, members[name]);
  return new StasisError('probe.no-member', `There is no member "${name}" to ask.`, {
    hint: `The members are ${Object.keys(members).join(', ')}.`,
    at: ['member'],
  });
}

/** What of a question its member does not answer, placed at its kind or in it. */
export function questionProblem(
  services: Services,
  { name: driver, questions }: Driver,
  member: string,
  question: Question,
): StasisError | undefined {
  if (questions?.kinds.includes(question.kind)) return questions.problem?.(question);
  const answering = services.drivers
    .filter(({ questions: own }) => own?.kinds.includes(question.kind))
    .map((one) => one.name);
  const why =
    questions === undefined
      ? `"${member}" is captured by ${driver}, which answers no probes: what is frozen or runs on cannot be asked about the cut.`
      : `"${member}" is captured by ${driver}, which is asked by ${questions.kinds.join(' or ')}.`;
  return new StasisError('probe.unanswerable', why, {
    hint: `${question.kind} is answered by members of ${answering.join(', ')}.`,
    at: [question.kind],
  });
}

/** What of it is there. */
export function given(value: unknown): Values {
  if (typeof value !== 'object' || value === null) return {};
  return Object.fromEntries(
    Object.entries(value).filter(([, one]) => one !== undefined && one !== null),
  ) as Values;
}

export const PROBE_OUTPUT = z
  .object({
    member: z.string().describe('Which member was asked.'),
    outcome: z
      .enum(['answered', 'unmet', 'unsteady', 'failed'])
      .describe(
        'answered; unmet (not as expected: so in the original already); unsteady (the member changed meanwhile); or failed (no answer).',
      )
      .meta({ typeName: 'ProbeOutcome' }),
    message: z.string().describe('For people; never what the answer was.'),
  })
  .meta({ typeName: 'ProbeResult' });

export function probeOutputs({ probes = {} }: Manifest): Values {
  return Object.fromEntries(
    Object.entries(probes).map(([name, record]) => [
      name,
      { member: record.member, outcome: outcomeOfProbe(record), message: probeMessage(record) },
    ]),
  );
}
