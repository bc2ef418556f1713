import { type ParseArgsConfig, parseArgs } from 'node:util';

/** What a script of ours was told; wrong use, or `--help`, ends it with how it is used. */
export function argumentsOf<const T extends ParseArgsConfig>(
  usage: string,
  config: T,
): ReturnType<typeof parseArgs<T>> {
  if (process.argv.slice(2).includes('--help')) {
    console.log(usage);
    process.exit(0);
  }
  try {
    return parseArgs(config);
  } catch (error) {
    console.error(`${(error as Error).message.split('.')[0]}.\n${usage}`);
    process.exit(2);
  }
}
