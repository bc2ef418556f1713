import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { formatReference } from '../../provider/core/reference.ts';
import { sleep } from '../../provider/core/wait.ts';
import { ociLayout } from '../../provider/stores/oci-layout/type.ts';
import type { Program, ResourceModel } from '../conformance/engine/program.ts';
import type { Prepared, Project, Run, Way } from '../conformance/engine/way.ts';
import { HCL } from '../conformance/engine/ways/hcl.ts';
import { terraformWay } from '../conformance/engine/ways/terraform.ts';
import { testContext } from '../support/context.ts';
import type { Lab } from '../support/lab.ts';
import { on } from '../support/process/rig.ts';
import { processesBelow } from '../support/processes.ts';
import type { LabHosts } from './host-deaths.ts';
import {
  type ChildPerformer,
  type HostRun,
  type HostRunEnd,
  membersOf,
  type Performer,
  type Work,
} from './host-run.ts';

/** What shows on a host that a run has come to what matters, and how long that takes at most. */
const SIGNS: Readonly<Record<Work, { readonly sign: string; readonly spanMs: number }>> = {
  capture: { sign: '/run/stasis/dump-*/*/criu.pid', spanMs: 1_500 },
  restore: { sign: '/var/lib/stasis/*', spanMs: 3_000 },
};
/** SIGN: waits for one, for half a minute. */
const WATCH = 'n=0; until [ -e "$(echo $1)" ] || [ $n -ge 600 ]; do n=$((n + 1)); sleep 0.05; done';
/** Whoever served the engine has noticed its death by then, and let all go. */
const PROVIDER_ENDS_MS = 60_000;

/** Terraform, or OpenTofu where that is not here; why there is neither otherwise. */
export async function engineOrReason(): Promise<Way | string> {
  const ways = [
    terraformWay('Terraform', 'terraform', async () => HCL),
    terraformWay('OpenTofu', 'opentofu', async () => HCL),
  ];
  const reasons: string[] = [];
  for (const way of ways) {
    const reason = await way.missing();
    if (reason === undefined) return way;
    reasons.push(reason);
  }
  return reasons.join('; ');
}

interface Stage {
  readonly lab: Lab;
  readonly hosts: LabHosts;
  /** Where the store lies; projects are made beside it. */
  readonly folder: string;
  readonly storeFolder: string;
  readonly maxPauseMs: number;
  /** Whose snapshots are restored. */
  readonly child: ChildPerformer;
}

/** An engine that applies a snapshot of the members, or a restore of them, with the provider as a user has it. */
export class EnginePerformer implements Performer {
  readonly snapshotName = 'engine';
  private readonly stage: Stage;
  private readonly prepared: Prepared;
  private readonly projects: Readonly<Record<Work, Project>>;
  /** Processes of ours below the engine, while that lived. */
  private providers: readonly number[] = [];

  private constructor(stage: Stage, prepared: Prepared, projects: Readonly<Record<Work, Project>>) {
    this.stage = stage;
    this.prepared = prepared;
    this.projects = projects;
  }

  static async open(way: Way, stage: Stage): Promise<EnginePerformer> {
    const prepared = await way.prepare();
    const key = await readFile(stage.lab.keyFile, 'utf8');
    const open = async (work: Work): Promise<Project> => {
      const folder = join(stage.folder, `by-engine-${work}`);
      await mkdir(folder);
      return prepared.open(folder, { key });
    };
    return new EnginePerformer(stage, prepared, {
      capture: await open('capture'),
      restore: await open('restore'),
    });
  }

  async start(work: Work, target: string): Promise<HostRun> {
    const project = this.projects[work];
    await project.write(await this.program(work, target));
    const run = await project.start('apply');
    const { sign, spanMs } = SIGNS[work];
    const host = this.stage.hosts[work === 'capture' ? 'cloud' : 'sovereign'];
    const ended = this.endOf(run);
    const over = ended.then(() => 'its end');
    const reached = Promise.race([on(host, WATCH, sign).then(() => `the first ${sign}`), over]).then(
      async (step) => {
        this.providers = [...(await processesBelow(run.pid)).keys()];
        return step;
      },
    );
    return { reached, spanMs, signal: (name) => signalIfThere(run.pid, name), ended };
  }

  private async endOf(run: Run): Promise<HostRunEnd> {
    const { succeeded, problems, text } = await run.finished;
    const untilMs = Date.now() + PROVIDER_ENDS_MS;
    while (this.providers.some(isThere)) {
      if (Date.now() > untilMs) throw new Error('the provider did not end after its engine');
      await sleep(50);
    }
    if (succeeded) return { end: 'done', told: 'done' };
    const [problem] = problems.filter(({ severity }) => severity === 'error');
    return problem
      ? { end: 'failed', told: `${problem.code} at ${problem.at}` }
      : { end: 'gone', told: text.slice(-300) };
  }

  private async program(work: Work, target: string): Promise<Program> {
    const { lab, storeFolder, maxPauseMs } = this.stage;
    const host = (name: 'cloud' | 'sovereign') => ({
      ssh: {
        ...{ address: lab.hosts[name].address, hostKey: lab.hosts[name].hostKey, user: 'root' },
        privateKey: { secret: 'key' },
      },
    });
    const members = Object.fromEntries(
      Object.entries(membersOf(work, target)).map(([name, member]) => [name, { process: member }]),
    );
    const store = { path: storeFolder };
    const resource: ResourceModel =
      work === 'capture'
        ? {
            ...{ kind: 'Snapshot', id: 'all', name: this.snapshotName, members, store, maxPauseMs },
            triggers: { target },
          }
        : { kind: 'Restore', id: target, snapshot: await this.newest(), members, store };
    return { hosts: { cloud: host('cloud'), sovereign: host('sovereign') }, resources: [resource] };
  }

  private async newest(): Promise<string> {
    const { storeFolder, child } = this.stage;
    const store = await ociLayout.open({ path: storeFolder }, testContext());
    const { digest } = (await store.name(child.snapshotName))!.generations[0]!;
    return formatReference({ name: child.snapshotName, digest });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const project of Object.values(this.projects)) await project[Symbol.asyncDispose]();
    await this.prepared[Symbol.asyncDispose]();
  }
}

/** The run may be at its end before the moment that was drawn for it. */
function signalIfThere(pid: number, name: NodeJS.Signals): void {
  if (isThere(pid)) process.kill(pid, name);
}

function isThere(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
