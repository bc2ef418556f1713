import { ensureNeeds, NEEDS } from './setup/needs.ts';
import { say } from './setup/say.ts';
import type { ToolName } from './setup/tools.ts';

/**
 * `npm run setup`: gets all that the demo, the tests and (with `-- bench`) the bench need. They do it themselves as
 * well; this is for doing it ahead of time.
 */
const needs: { programs: readonly string[]; tools: readonly ToolName[] } = process.argv.includes('bench')
  ? NEEDS.bench
  : NEEDS.test;
const missing = await ensureNeeds(needs);
for (const { reason } of missing) say(`${reason}; tests that need it will be skipped`);
if (missing.length === 0) say(`ready: ${[...needs.programs, ...needs.tools].join(', ')}`);
