import { ensureRoot } from '../lab/root.ts';
import { DEMO_PROGRAMS, ensurePrograms, TEST_PROGRAMS } from './debian.ts';
import { ensureMysql } from './mysql.ts';
import { ensureNpmTool, isHere, type NpmToolName } from './npm-tools.ts';
import { ensureTools, type Missing, type ToolName } from './tools.ts';

/** What a command of ours needs on the machine beside npm's packages. */
interface Needs {
  readonly programs: readonly string[];
  readonly tools: readonly ToolName[];
  readonly npmTools?: readonly NpmToolName[];
  /** A server of MySQL, which no package of this machine's release brings. */
  readonly mysql?: true;
  /** What the hosts of the lab are made of. */
  readonly lab?: true;
}

/** The CLI with the hosts of the four languages in which its programs are tested. */
const PULUMI = [
  'pulumi',
  'pulumi-language-nodejs',
  'pulumi-language-python',
  'pulumi-language-go',
  'pulumi-language-yaml',
] as const;

export const NEEDS = {
  test: {
    programs: TEST_PROGRAMS,
    tools: ['terraform', 'tofu', ...PULUMI, 'oras'],
    npmTools: ['cdktf-cli', 'cdktn-cli'],
    mysql: true,
    lab: true,
  },
  demo: { programs: DEMO_PROGRAMS, tools: [] },
  bench: {
    programs: TEST_PROGRAMS,
    tools: ['terraform', 'tofu', 'restic', 'pulumi', 'pulumi-language-yaml'],
  },
} as const satisfies Record<string, Needs>;

/** Gets what is needed and returns what is not to be had here; quick when all is there. */
export async function ensureNeeds(needs: Needs): Promise<readonly Missing[]> {
  const programs = await ensurePrograms(needs.programs);
  // A root file system comes over the network and is unpacked, while builds keep the cores busy.
  const [root, mysql, tools] = await Promise.all([
    needs.lab ? ensureRoot() : '',
    needs.mysql ? ensureMysql() : undefined,
    toolsOf(needs),
  ]);
  return [...programs, ...tools, ...(mysql ? [mysql] : []), ...(typeof root === 'string' ? [] : [root])];
}

async function toolsOf(needs: Needs): Promise<readonly Missing[]> {
  const missing: Missing[] = [];
  for (const tool of await ensureTools(needs.tools)) if (typeof tool !== 'string') missing.push(tool);
  for (const name of needs.npmTools ?? []) {
    const tool = await ensureNpmTool(name);
    if (!isHere(tool)) missing.push(tool);
  }
  return missing;
}
