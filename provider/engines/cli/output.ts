import type { StasisError } from '../../core/errors.ts';
import type { Values } from '../../core/resource.ts';
import { positionOf } from './document/placing.ts';
import { Refusal } from './exit.ts';
import { renderProblem } from './screen/problem.ts';
import type { RenderOptions } from './screen/text.ts';

export interface OutputOptions {
  readonly json: boolean;
  /** How results are drawn on stdout. */
  readonly stdout: RenderOptions;
  /** How messages are drawn on stderr. */
  readonly stderr: RenderOptions;
  readonly writeOut: (text: string) => void;
  /** A message on stderr, above whatever is drawn there. */
  readonly print: (text: string) => void;
  /** The last net under every message: takes out the secrets that were given. */
  readonly redact: (text: string) => string;
}

/**
 * What a command says. With `--json` exactly one JSON object goes to stdout, a result or an error; without it the
 * picture of a result. Everything else goes to stderr.
 */
export class Output {
  private readonly options: OutputOptions;

  constructor(options: OutputOptions) {
    this.options = options;
  }

  result(values: Values, draw: (options: RenderOptions) => string): void {
    const { json, stdout, writeOut } = this.options;
    writeOut(`${json ? JSON.stringify(values) : draw(stdout)}\n`);
  }

  /** A result that is a text by itself. */
  text(text: string): void {
    this.options.writeOut(text);
  }

  note(text: string): void {
    this.options.print(this.options.redact(text));
  }

  problem(problem: StasisError): void {
    this.note(renderProblem(problem, positionOf(problem), this.options.stderr));
  }

  /** An error that ends the command: on stderr for people, and with `--json` the one object on stdout too. */
  failure(error: StasisError): void {
    const errors = error instanceof Refusal ? error.problems : [error];
    for (const each of errors) this.problem(each);
    if (!this.options.json) return;
    const [first, ...more] = errors.map((each) => this.jsonOf(each));
    this.options.writeOut(`${JSON.stringify({ error: first, ...(more.length > 0 ? { more } : {}) })}\n`);
  }

  /** A problem as `--json` shows it; `at` lists attributes, outermost first. */
  jsonOf(problem: StasisError): Values {
    const { redact } = this.options;
    const { code, message, hint, at, severity } = problem;
    return {
      code,
      message: redact(message),
      ...(hint === undefined ? {} : { hint: redact(hint) }),
      at,
      ...(severity === 'warning' ? { severity } : {}),
      ...positionOf(problem),
    };
  }
}
