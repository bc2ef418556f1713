import { bankProof } from '../test/proof/bank.ts';
import { deathProof } from '../test/proof/death.ts';
import { driftKinds } from '../test/proof/drift/kinds.ts';
import { fenceProof } from '../test/proof/fence.ts';
import { hostDeathProof } from '../test/proof/host-death.ts';
import { hostSabotageProof } from '../test/proof/host-sabotage.ts';
import { labBankProof } from '../test/proof/lab-bank.ts';
import type { Proof, ProofResult } from '../test/proof/proof.ts';
import { sabotageProof } from '../test/proof/sabotage.ts';
import { verdictProof } from '../test/proof/verdict.ts';
import { writeVerdictDocs } from '../test/proof/verdict-docs.ts';
import { labOrReason } from '../test/support/lab.ts';
import { argumentsOf } from './arguments.ts';
import { interruptSignal } from './demo/interrupt.ts';

const lab = await labOrReason();
const PROOFS: readonly Proof[] = [
  bankProof,
  fenceProof,
  labBankProof(lab),
  sabotageProof,
  hostSabotageProof(lab),
  deathProof,
  hostDeathProof(lab),
  verdictProof(await driftKinds(lab), writeVerdictDocs),
];

const USAGE = `npm run proof [-- NAME...] [--json] [--short] [--only TEXT] [--runs N]
Runs the long proofs, or those named, or of them the cases with that text in their names, each as often as said, and prints a table.
There are: ${[...new Set(PROOFS.map((proof) => proof.name))].join(', ')}.`;

const { values, positionals } = argumentsOf(USAGE, {
  allowPositionals: true,
  options: {
    json: { type: 'boolean', default: false },
    short: { type: 'boolean', default: false },
    only: { type: 'string' },
    runs: { type: 'string' },
  },
});

const chosen = positionals.length === 0 ? PROOFS : PROOFS.filter((proof) => positionals.includes(proof.name));
if (chosen.length < Math.max(1, positionals.length)) {
  console.error(`There are the proofs ${PROOFS.map((proof) => proof.name).join(', ')}.`);
  process.exit(2);
}

const runs = values.runs === undefined ? undefined : Number(values.runs);
if (runs !== undefined && !(Number.isSafeInteger(runs) && runs > 0)) {
  console.error('--runs takes a whole number above 0.');
  process.exit(2);
}

const interrupted = interruptSignal();

const results: ProofResult[] = [];
for (const proof of chosen) {
  console.error(`${proof.name}: ${proof.claim}`);
  const result = await run(proof).catch((error: unknown) => {
    if (!interrupted.aborted) throw error;
  });
  // Not a proof: a table of fewer runs, all of them good, must not pass for the whole.
  if (interrupted.aborted || result === undefined) {
    console.error(`interrupted: ${proof.name} did not run to its end`);
    process.exit(130);
  }
  results.push(result);
  console.error(tableOf(result));
}
if (values.only !== undefined && results.every(({ runs }) => runs === 0)) {
  console.error(`Nothing ran: no case of what was chosen has "${values.only}" in its name.`);
  process.exit(2);
}
if (values.json)
  console.log(
    JSON.stringify({
      proofs: results.map(({ name, runs, failures, figures }) => ({ name, runs, failures, figures })),
    }),
  );
process.exit(results.some((result) => result.failures > 0) ? 1 : 0);

function run(proof: Proof): Promise<ProofResult> {
  return proof.run({
    short: values.short,
    only: values.only,
    runs,
    say: (line) => console.error(`  ${line}`),
    signal: interrupted,
  });
}

function tableOf(result: ProofResult): string {
  const width = Math.max(4, ...result.cases.map(({ name }) => name.length));
  const lines = result.cases.map(
    ({ name, runs, failures, outcome }) =>
      `  ${name.padEnd(width)}  ${String(runs).padStart(5)} runs  ${String(failures).padStart(4)} failures  ${outcome}`,
  );
  const figures = Object.entries(result.figures).map(([name, value]) => `${name} ${value}`);
  const complaints = result.complaints.slice(0, 20).map((complaint) => `  FAILED: ${complaint}`);
  return [
    ...lines,
    ...complaints,
    `  ${result.runs} runs, ${result.failures} failures${figures.length > 0 ? `; ${figures.join(', ')}` : ''}`,
  ].join('\n');
}
