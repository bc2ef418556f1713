import { StasisError } from '../../core/errors.ts';

/** The exit statuses of the command line. */
export const EXIT = {
  done: 0,
  failed: 1,
  /** Wrong use or input: nothing was touched. */
  refused: 2,
  /** Done, and something that counts differs. */
  drifted: 3,
  interrupted: 130,
} as const;

export type ExitStatus = (typeof EXIT)[keyof typeof EXIT];

/** What the user asked for cannot be done, and nothing was touched: all that is wrong with it. */
export class Refusal extends StasisError {
  readonly problems: readonly StasisError[];

  /** `problems` is not empty. */
  constructor(problems: readonly StasisError[]) {
    const [first] = problems;
    super(first!.code, first!.message, {
      hint: first!.hint,
      at: first!.at,
      details: first!.details,
      cause: first,
    });
    this.problems = problems;
  }
}
