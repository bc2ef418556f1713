import { CommanderError } from 'commander';
import { startClock } from '../../core/clock.ts';
import type { Context } from '../../core/context.ts';
import { StasisError, toStasisError } from '../../core/errors.ts';
import { nsToMs } from '../../core/units.ts';
import { makeProvider } from '../../resources/provider.ts';
import type { Services } from '../../resources/services.ts';
import { redacting } from '../redaction.ts';
import type { DocumentSource } from './document/placing.ts';
import { EXIT, type ExitStatus, Refusal } from './exit.ts';
import { Interrupts, type SignalSource } from './interrupt.ts';
import type { GlobalOptions, Invocation } from './invocation.ts';
import { lineLogger } from './log.ts';
import { Output, type OutputOptions } from './output.ts';
import { makeProgram } from './program.ts';
import { ProgressReport, type Sink } from './progress.ts';
import type { RenderOptions } from './screen/text.ts';

/** What of the world the command line sees. */
export interface Surroundings extends DocumentSource {
  readonly stdout: Sink;
  readonly stderr: Sink;
  readonly signals: SignalSource;
  readonly version: string;
  /** The folder of this package. */
  readonly root: string;
  /** Loaded when a command runs: help and wrong use need none of it. */
  readonly services: () => Promise<Services>;
  /** Ends the process at once: what an impatient user asked for. */
  readonly exit: (status: ExitStatus) => void;
}

/** Runs one command line to its exit status. */
export async function runCommandLine(
  argv: readonly string[],
  surroundings: Surroundings,
): Promise<ExitStatus> {
  let status: ExitStatus = EXIT.done;
  const program = makeProgram({
    version: surroundings.version,
    root: surroundings.root,
    run: async (options, work) => {
      status = await perform(options, work, surroundings);
    },
  });
  const said: string[] = [];
  const outputs = {
    writeOut: (text: string) => surroundings.stdout.write(text),
    writeErr: (text: string) => void said.push(text),
    getOutHelpWidth: () => columnsOf(surroundings.stdout, surroundings.env),
    getErrHelpWidth: () => columnsOf(surroundings.stderr, surroundings.env),
  };
  for (const command of [program, ...program.commands]) command.configureOutput(outputs).exitOverride();
  try {
    await program.parseAsync([...argv], { from: 'user' });
    return status;
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return EXIT.done;
    return misused(said.join(''), argv, surroundings);
  }
}

/** Wrong use, in our own form: commander's sentence, and where to read on. */
function misused(said: string, argv: readonly string[], surroundings: Surroundings): ExitStatus {
  const message = said
    .replace(/^error: /, '')
    .trim()
    .replaceAll('\n', ' ');
  const isHelp = message.startsWith('Usage:');
  const error = new StasisError('usage.wrong', isHelp ? 'No command is given.' : sentence(message), {
    hint: '"stasis --help" lists the commands, "stasis help COMMAND" what each takes.',
  });
  const options = { json: argv.includes('--json'), color: !argv.includes('--no-color') };
  const output = makeOutput(options, surroundings, {
    writeOut: (text) => surroundings.stdout.write(text),
    print: (text) => surroundings.stderr.write(`${text}\n`),
    redact: (text) => text,
  });
  if (isHelp) surroundings.stderr.write(said);
  output.failure(new Refusal([error]));
  return EXIT.refused;
}

function sentence(text: string): string {
  const begun = `${text.charAt(0).toUpperCase()}${text.slice(1)}`;
  return /[.!?)]$/.test(begun) ? begun : `${begun}.`;
}

async function perform(
  options: GlobalOptions,
  work: (invocation: Invocation) => Promise<ExitStatus>,
  surroundings: Surroundings,
): Promise<ExitStatus> {
  const clock = startClock();
  const look = lookOf(options, surroundings.stderr, surroundings.env);
  using progress = new ProgressReport({
    sink: surroundings.stderr,
    color: look.color,
    ascii: look.ascii === true,
    nowMs: () => nsToMs(clock.nowNs()),
  });
  const secrets: string[] = [];
  let redact = redacting(secrets);
  const output = makeOutput(options, surroundings, {
    // Both may be one terminal: what is drawn over would take the result with it.
    writeOut: (text) => {
      progress[Symbol.dispose]();
      surroundings.stdout.write(text);
    },
    print: (text) => progress.print(text),
    redact: (text) => redact(text),
  });
  using interrupts = new Interrupts(
    surroundings.signals,
    (text) => progress.print(`stasis: ${text}`),
    () => {
      output.failure(interruptedError());
      surroundings.exit(EXIT.interrupted);
    },
  );
  const context: Context = {
    signal: interrupts.signal,
    clock,
    logger: lineLogger(options.logLevel, (line) => progress.print(redact(line)), clock.wallMs),
    progress: progress.report,
  };
  try {
    const services = await surroundings.services();
    const provider = makeProvider(services);
    const hide = (more: readonly string[]): void => {
      secrets.push(...more);
      redact = redacting(secrets);
    };
    return await work({ options, services, provider, context, output, source: surroundings, hide });
  } catch (error) {
    progress[Symbol.dispose]();
    const shown = interrupts.signal.aborted ? interruptedError() : toStasisError(error);
    context.logger.log('debug', 'failed', { code: shown.code, stack: stackOf(error) });
    output.failure(shown);
    if (interrupts.signal.aborted) return EXIT.interrupted;
    return error instanceof Refusal ? EXIT.refused : EXIT.failed;
  }
}

function interruptedError(): StasisError {
  return new StasisError('interrupted', 'The work was interrupted.');
}

/** Frames only: the message is shown anyway, and those of causes may quote anything. */
function stackOf(error: unknown): string[] {
  const stack = error instanceof Error ? (error.stack ?? '') : '';
  return stack
    .split('\n')
    .filter((line) => line.startsWith('    at '))
    .map((line) => line.trim());
}

function makeOutput(
  options: Pick<GlobalOptions, 'json' | 'color'>,
  { stdout, stderr, env }: Pick<Surroundings, 'stdout' | 'stderr' | 'env'>,
  ways: Pick<OutputOptions, 'writeOut' | 'print' | 'redact'>,
): Output {
  return new Output({
    ...ways,
    json: options.json === true,
    stdout: lookOf(options, stdout, env),
    stderr: lookOf(options, stderr, env),
  });
}

/** What is not a terminal is read later, in a file or a log: wide enough for one line a member. */
const PLAIN_COLUMNS = 100;

function columnsOf(sink: Sink, env: DocumentSource['env']): number {
  if (sink.isTTY) return sink.columns;
  const told = Number.parseInt(env.COLUMNS ?? '', 10);
  return told > 0 ? told : PLAIN_COLUMNS;
}

/** Colours on a terminal that has them, unless NO_COLOR or --no-color; FORCE_COLOR brings them into a pipe too. */
function lookOf(
  options: Pick<GlobalOptions, 'color'>,
  sink: Sink,
  env: DocumentSource['env'],
): RenderOptions {
  const isForced = (env.FORCE_COLOR ?? '') !== '' && env.FORCE_COLOR !== '0';
  const color = options.color && !env.NO_COLOR && (isForced || (sink.isTTY && env.TERM !== 'dumb'));
  const locale = env.LC_ALL || env.LC_CTYPE || env.LANG || '';
  return { width: columnsOf(sink, env), color, ascii: !/utf-?8/i.test(locale) };
}
