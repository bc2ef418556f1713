import { argumentsOf } from './arguments.ts';
import { benchCompare } from './bench/compare.ts';
import { benchEngines } from './bench/engines.ts';
import { type Figure, figureTable } from './bench/figure.ts';
import { benchGroup } from './bench/group.ts';
import { benchImports } from './bench/imports.ts';
import { benchMembers } from './bench/members.ts';
import { benchPause } from './bench/pause.ts';
import { benchPlan } from './bench/plan.ts';
import { benchProcessPause } from './bench/process-pause.ts';
import { benchPulumi } from './bench/pulumi.ts';
import { benchRedisRestore } from './bench/redis-restore.ts';
import { benchStart } from './bench/start.ts';
import { benchStore } from './bench/store.ts';
import { benchVm } from './bench/vm.ts';
import { benchWarm } from './bench/warm.ts';

const BENCHES: Readonly<Record<string, () => Promise<readonly Figure[]>>> = {
  store: benchStore,
  pause: benchPause,
  'process-pause': benchProcessPause,
  'redis-restore': benchRedisRestore,
  start: benchStart,
  plan: benchPlan,
  pulumi: benchPulumi,
  imports: benchImports,
  engines: benchEngines,
  group: benchGroup,
  members: benchMembers,
  vm: benchVm,
  warm: benchWarm,
  compare: benchCompare,
};

const USAGE = `npm run bench [-- NAME...] [--json]
Measures ratios against named peers, each pair in the same run. There are: ${Object.keys(BENCHES).join(', ')}.`;

const { values, positionals } = argumentsOf(USAGE, {
  allowPositionals: true,
  options: { json: { type: 'boolean', default: false } },
});
const names = positionals.length === 0 ? Object.keys(BENCHES) : positionals;
const unknown = names.find((name) => BENCHES[name] === undefined);
if (unknown !== undefined) {
  console.error(`There is no bench "${unknown}"; there are ${Object.keys(BENCHES).join(', ')}.`);
  process.exit(2);
}

const figures: Figure[] = [];
for (const name of names) {
  console.error(`measuring: ${name}`);
  figures.push(...(await BENCHES[name]!()));
}
console.error(figureTable(figures));
if (values.json) console.log(JSON.stringify({ figures }));
