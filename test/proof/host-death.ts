import type { LabHere } from '../support/lab.ts';
import { HOST_DEATHS, type HostDeath } from './host-deaths.ts';
import { engineOrReason } from './host-engine.ts';
import type { Work } from './host-run.ts';
import { Theatre } from './host-theatre.ts';
import { isChosen, type Proof, type ProofCase, type ProofOptions } from './proof.ts';

const RUNS = 20;

/** Processes on hosts of the lab, captured and restored, while something of ours or of theirs dies. */
export function hostDeathProof(lab: LabHere): Proof {
  return {
    name: 'death',
    claim:
      'whatever dies on hosts while processes are frozen or loaded, they run again within the lease, nothing is left, and the next run succeeds',
    async run(options) {
      const complaints: string[] = [];
      const cases: ProofCase[] = [];
      if (lab.reason === undefined) await playAll(lab, options, complaints, cases);
      else options.say(`deaths on hosts are skipped: ${lab.reason}`);
      return {
        ...{ name: 'death', complaints, cases, figures: { 'kinds on hosts': cases.length } },
        runs: cases.reduce((sum, one) => sum + one.runs, 0),
        failures: cases.reduce((sum, one) => sum + one.failures, 0),
      };
    },
  };
}

/** In rounds, so that every kind has as many runs whenever it is ended. */
async function playAll(
  lab: LabHere,
  options: ProofOptions,
  complaints: string[],
  cases: ProofCase[],
): Promise<void> {
  const engine = await engineOrReason();
  if (typeof engine === 'string') options.say(`deaths of an engine are skipped: ${engine}`);
  const way = typeof engine === 'string' ? undefined : engine;
  await using theatre = await Theatre.open(await lab.start(), way);
  const kinds = HOST_DEATHS.filter(({ byEngine }) => !byEngine || way !== undefined)
    .flatMap((death) => death.during.map((work) => new Kind(death, work)))
    .filter(({ name }) => isChosen(name, options));
  const runs = options.runs ?? (options.short ? 1 : RUNS);
  for (let round = 0; round < runs; round += 1)
    for (const kind of kinds) if (!options.signal.aborted) await kind.play(theatre, options, complaints);
  cases.push(...kinds.map((kind) => kind.result()));
}

class Kind {
  readonly name: string;
  private readonly death: HostDeath;
  private readonly work: Work;
  private runs = 0;
  private failures = 0;
  private lostTrees = 0;

  constructor(death: HostDeath, work: Work) {
    this.name = `${work}: ${death.name}`;
    this.death = death;
    this.work = work;
  }

  async play(theatre: Theatre, { say }: ProofOptions, complaints: string[]): Promise<void> {
    const { moment, faults, tookATree } = await theatre.play(this.death, this.work);
    this.runs += 1;
    const well = tookATree ? 'took a tree along, and that was told' : 'all went on';
    const line = `${this.name}, ${moment}: ${faults.length === 0 ? well : faults.join('; ')}`;
    say(line);
    if (faults.length === 0) {
      if (tookATree) this.lostTrees += 1;
      return;
    }
    this.failures += 1;
    complaints.push(line);
  }

  result(): ProofCase {
    const { name, runs, failures, lostTrees } = this;
    const well = `${runs - failures - lostTrees} went on and converged`;
    const outcome = lostTrees > 0 ? `${well}, ${lostTrees} took a tree along, which was told` : well;
    return { name, runs, failures, outcome };
  }
}
