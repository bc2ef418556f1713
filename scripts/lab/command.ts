import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const execute = promisify(execFile);

/** What the lab's small commands may take; building and starting have bounds of their own. */
const COMMAND_MS = 30_000;

/** Runs a command to its end and returns what it printed. @throws Error with what it said */
export async function command(argv: readonly string[], timeoutMs = COMMAND_MS): Promise<string> {
  const [program = '', ...args] = argv;
  try {
    return (await execute(program, args, { timeout: timeoutMs, maxBuffer: 16 * 1024 * 1024 })).stdout;
  } catch (error) {
    const { stderr, message } = error as Error & { stderr?: string };
    const said = stderr?.trim() === '' ? undefined : stderr?.trim();
    throw new Error(`${program}: ${said ?? message}`, { cause: error });
  }
}

/** Whether a command ends well. */
export async function succeeds(argv: readonly string[], timeoutMs = COMMAND_MS): Promise<boolean> {
  return command(argv, timeoutMs).then(
    () => true,
    () => false,
  );
}
