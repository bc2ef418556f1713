import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { VERSION } from '../../composition/version.ts';
import { runCommandLine } from './command-line.ts';
import type { Sink } from './progress.ts';

/** Whose names the command line captures: it has no state, so every run of it is the same owner. */
const OWNER = 'cli';
/** Everything was ended by whoever started it; what was not, keeps the process no longer than this. */
const LINGER_MS = 2_000;

function sinkOf(stream: NodeJS.WriteStream): Sink {
  // A reader that has seen enough, as `head`, is no failure.
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
  });
  return {
    write: (chunk) => void stream.write(chunk),
    isTTY: stream.isTTY === true,
    get columns() {
      return stream.columns ?? 80;
    },
  };
}

/** The folder of this package: the bundle lies in its dist/, this file deeper. */
function packageRoot(from: string): string {
  return existsSync(join(from, 'package.json')) ? from : packageRoot(dirname(from));
}

process.exitCode = await runCommandLine(process.argv.slice(2), {
  cwd: process.cwd(),
  env: process.env,
  readStdin: () => text(process.stdin),
  stdout: sinkOf(process.stdout),
  stderr: sinkOf(process.stderr),
  signals: process,
  version: VERSION,
  root: packageRoot(import.meta.dirname),
  services: async () => {
    const { makeServices } = await import('../../composition/services.ts');
    return makeServices(OWNER);
  },
  exit: (status) => process.exit(status),
});
setTimeout(() => process.exit(), LINGER_MS).unref();
