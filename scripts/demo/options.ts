import { parseArgs } from 'node:util';
import { ENGINE_NAMES, type EngineName } from './engines/engine.ts';

export interface DemoOptions {
  /** Undefined: the best one that is here. */
  readonly engine: EngineName | undefined;
  /** Leaves both sides up until Ctrl-C. */
  readonly keep: boolean;
  /** Whether the shop has a token service on machines of the lab, where they can be had. */
  readonly lab: boolean;
  /** One JSON object on stdout; everything for people goes to stderr. */
  readonly json: boolean;
  /** Where to write a report of it; with `keep` it is written among the rest in any case. */
  readonly report?: string;
}

export const USAGE =
  'npm run demo -- [--engine terraform|tofu|pulumi|stasis] [--keep] [--no-lab] [--json] [--report FILE]';

/** @throws Error for what is no option of ours. */
export function parseOptions(args: readonly string[]): DemoOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      engine: { type: 'string' },
      keep: { type: 'boolean' },
      lab: { type: 'boolean', default: true },
      json: { type: 'boolean' },
      report: { type: 'string' },
    },
    allowNegative: true,
  });
  const engine = ENGINE_NAMES.find((name) => name === values.engine);
  if (values.engine !== undefined && engine === undefined)
    throw new Error(`there is no engine "${values.engine}"; there are ${ENGINE_NAMES.join(', ')}`);
  return {
    engine,
    keep: values.keep ?? false,
    lab: values.lab,
    json: values.json ?? false,
    report: values.report,
  };
}
