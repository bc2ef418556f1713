import { textOfBytes } from '../core/answer.ts';
import { StasisError } from '../core/errors.ts';
import type { Host } from '../core/host.ts';
import type { Answer, AskOptions } from '../core/probe.ts';

/** Where a command runs: what is put before it, or its folder and environment. */
export interface CommandPlace {
  readonly enter?: readonly string[];
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** What a command prints is the answer; it says by ending with another status than 0 that there is none. */
export async function askCommand(
  host: Host,
  words: readonly string[],
  { enter = [], ...place }: CommandPlace,
  options: AskOptions,
): Promise<Answer> {
  const { status, stdout } = await host.run([...enter, ...words], { ...options, ...place });
  if (status === 0) return { rows: [[textOfBytes(Buffer.from(stdout))]] };
  throw new StasisError('probe.command-failed', `The command "${words[0]}" ended with status ${status}.`, {
    hint: 'Run it by hand in the same place to see what it says.',
  });
}
