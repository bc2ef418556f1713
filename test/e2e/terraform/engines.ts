import { describe, test } from '@jest/globals';
import type { EngineName } from '../../../provider/engines/terraform/naming.ts';
import { findTool, type Missing, type ToolName } from '../../../scripts/setup/tools.ts';

export interface Engine {
  readonly name: EngineName;
  readonly path: string;
}

const TOOLS: readonly (readonly [EngineName, ToolName])[] = [
  ['terraform', 'terraform'],
  ['opentofu', 'tofu'],
];

const FOUND: readonly { readonly name: EngineName; readonly found: string | Missing }[] = await Promise.all(
  TOOLS.map(async ([name, tool]) => ({ name, found: await findTool(tool) })),
);

/** The same tests with each real engine of this machine. For one that is missing, one test is skipped, saying why. */
export function describeEngines(tests: (engine: Engine) => void): void {
  for (const { name, found } of FOUND)
    if (typeof found === 'string') describe(`with ${name}`, () => tests({ name, path: found }));
    else test.skip(`with ${name} (${found.reason})`, () => {});
}
