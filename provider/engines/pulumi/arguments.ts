/** What the engine, or a person who debugs us, says on the command line. */
export interface PluginArguments {
  /** `127.0.0.1:PORT`; absent when no engine started us and one will attach. */
  readonly engineAddress: string | undefined;
  /** Whether the engine's log is wanted of us too, in full: `pulumi --logflow -v=9`. */
  readonly verbose: boolean;
}

/** The engine passes flags of its own logging, then its address. */
export function parseArguments(args: readonly string[]): PluginArguments {
  const engineAddress = args.findLast((argument) => /^[^-].*:\d+$/.test(argument));
  const level = args.find((argument) => /^--?v=\d+$/.test(argument))?.split('=')[1];
  const separate = args[args.findIndex((argument) => /^--?v$/.test(argument)) + 1];
  const verbosity = Number(level ?? (args.some((argument) => /^--?v$/.test(argument)) ? separate : 0));
  return { engineAddress, verbose: verbosity > 0 };
}
