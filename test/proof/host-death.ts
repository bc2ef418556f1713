import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Host } from '../../provider/core/host.ts';
import type { Store } from '../../provider/core/store.ts';
import { ociLayout } from '../../provider/stores/oci-layout/type.ts';
import { testContext } from '../support/context.ts';
import type { Lab, LabHere } from '../support/lab.ts';
import { labHost, on, stateOf, TokenApplication, until } from '../support/process/rig.ts';
import type { HostOrder } from './host-death-child.ts';
import { HOST_DEATHS, type HostDeath } from './host-deaths.ts';
import type { Proof, ProofCase, ProofOptions } from './proof.ts';

const RUNS = 20;
const MAX_PAUSE_MS = 4_000;
/** The lease runs three seconds longer than the pause allowed; the rest is for a busy machine. */
const LEASE_MS = MAX_PAUSE_MS + 3_000;
const SLACK_MS = 8_000;
const CHILD_MS = 180_000;
/** What of ours may take a moment to be gone. */
const SETTLE_MS = 20_000;
/** After the step, up to so much later: most of a cut is in one of them. */
const LATER_MS = 250;

const STEPS = {
  capture: [
    'prepare',
    'hold',
    'frozen',
    'frozen',
    'mark',
    'mark',
    'mark',
    'marked',
    'copy',
    'fingerprint',
    'seal',
  ],
  restore: ['verify', 'load', 'load', 'load', 'compare', 'compare', 'release'],
} as const;

/** Processes on hosts of the lab, captured and restored, while something of ours or of theirs dies. */
export function hostDeathProof(lab: LabHere): Proof {
  return {
    name: 'death',
    claim:
      'whatever dies on hosts while processes are frozen or loaded, they run again within the lease, nothing is left, and the next run succeeds',
    async run(options) {
      const complaints: string[] = [];
      const cases: ProofCase[] = [];
      if (lab.reason === undefined) await playAll(await lab.start(), options, complaints, cases);
      else options.say(`deaths on hosts are skipped: ${lab.reason}`);
      return {
        ...{ name: 'death', complaints, cases, figures: { 'kinds on hosts': cases.length } },
        runs: cases.reduce((sum, one) => sum + one.runs, 0),
        failures: cases.reduce((sum, one) => sum + one.failures, 0),
      };
    },
  };
}

async function playAll(
  lab: Lab,
  options: ProofOptions,
  complaints: string[],
  cases: ProofCase[],
): Promise<void> {
  await using theatre = await Theatre.open(lab);
  for (const death of HOST_DEATHS)
    for (const work of death.during) cases.push(await repeat(theatre, death, work, options, complaints));
}

async function repeat(
  theatre: Theatre,
  death: HostDeath,
  work: HostOrder['work'],
  options: ProofOptions,
  complaints: string[],
): Promise<ProofCase> {
  const name = `${work}: ${death.name}`;
  const runs = options.short ? 1 : RUNS;
  let [failures, done] = [0, 0];
  for (; done < runs && !options.signal.aborted; done += 1) {
    const { moment, faults } = await theatre.play(death, work);
    options.say(`${name}, ${moment}: ${faults.length === 0 ? 'all went on' : faults.join('; ')}`);
    if (faults.length === 0) continue;
    failures += 1;
    complaints.push(`${name}, ${moment}: ${faults.join('; ')}`);
  }
  return { name, runs: done, failures, outcome: `${done - failures} went on and converged` };
}

/** Who took part in one run of ours, and how it ended. */
interface Ended {
  readonly moment: string;
  readonly end: 'end' | 'failed' | 'gone';
}

class Theatre implements AsyncDisposable {
  private readonly resources: AsyncDisposableStack;
  private readonly lab: Lab;
  private readonly hosts: Readonly<Record<'cloud' | 'sovereign', Host>>;
  private readonly applications: readonly TokenApplication[];
  private readonly storeFolder: string;
  private plays = 0;

  private constructor(
    lab: Lab,
    resources: AsyncDisposableStack,
    hosts: Theatre['hosts'],
    applications: readonly TokenApplication[],
    storeFolder: string,
  ) {
    this.lab = lab;
    this.resources = resources;
    this.hosts = hosts;
    this.applications = applications;
    this.storeFolder = storeFolder;
  }

  static async open(lab: Lab): Promise<Theatre> {
    await using starting = new AsyncDisposableStack();
    starting.use(lab);
    const folder = await mkdtemp(join(tmpdir(), 'stasis-host-death-'));
    starting.defer(() => rm(folder, { recursive: true, force: true }));
    const hosts = {
      cloud: starting.use(labHost(lab, 'cloud')),
      sovereign: starting.use(labHost(lab, 'sovereign')),
    };
    const applications = await Promise.all(Object.values(hosts).map((host) => TokenApplication.start(host)));
    const theatre = new Theatre(lab, starting.move(), hosts, applications, join(folder, 'store'));
    // What a restore restores; and nothing that is asked for later proves anything if this does not work.
    const { end, moment } = await theatre.perform('capture', 'first');
    if (end !== 'end') throw new Error(`the first capture did not succeed: ${moment}`);
    return theatre;
  }

  async play(death: HostDeath, work: HostOrder['work']): Promise<{ moment: string; faults: string[] }> {
    this.plays += 1;
    const faults: string[] = [];
    const noting = (what: string) => (error: unknown) => {
      faults.push(`${what}: ${error instanceof Error ? error.message : String(error)}`);
    };
    const before = await this.generations();
    const target = `twin-${this.plays}`;
    const { moment, end } = await this.perform(work, target, death, noting);
    const made = (await this.generations()) - before;
    if (work === 'capture' && made > (end === 'failed' ? 0 : 1)) faults.push(`${made} snapshots appeared`);
    await this.insistOnWholeness().catch(noting('the store'));
    const next = await this.perform(work, target);
    if (next.end !== 'end') faults.push(`the next ${work} failed: ${next.moment}`);
    if (work === 'restore' && next.end === 'end') await this.takeDown(target).catch(noting('the twin'));
    await this.advance().catch(noting('afterwards'));
    await until(async () => (await this.leftOn()) === '', SETTLE_MS).catch(async () => {
      faults.push(`left: ${(await this.leftOn()).split('\n').join(' ')}`);
    });
    return { moment, faults };
  }

  /** Runs ours once; with a death at some moment of it, after which everybody has to run in time. */
  private async perform(
    work: HostOrder['work'],
    target: string,
    death?: HostDeath,
    noting: (what: string) => (error: unknown) => void = () => () => {},
  ): Promise<Ended> {
    const child = this.start(work, target);
    const exited = once(child, 'exit');
    const timer = setTimeout(() => child.kill('SIGKILL'), CHILD_MS);
    const told: string[] = [];
    let end: Ended['end'] = 'gone';
    const wanted = STEPS[work][Math.floor(Math.random() * STEPS[work].length)]!;
    const reached = new Promise<void>((resolve) => {
      child.on('message', ({ step, code, message }: { step: string; code?: string; message?: string }) => {
        if (step === 'end' || step === 'failed') end = step;
        told.push(code ? `${code} ${message}` : step);
        if (step === wanted) resolve();
      });
      void exited.then(() => resolve());
    });
    let moment = '';
    if (death) {
      await reached;
      const laterMs = Math.floor(Math.random() * LATER_MS);
      await sleep(laterMs);
      moment = `${laterMs} ms after ${wanted}`;
      const scene = { lab: this.lab, hosts: this.hosts, child };
      await using _ = await death.strike(scene);
      await this.advance().catch(noting('not within the lease'));
      if (death.endsUs) child.kill('SIGKILL');
      await exited;
    } else await exited;
    clearTimeout(timer);
    return { moment: moment || (told.at(-1) ?? ''), end };
  }

  private start(work: HostOrder['work'], target: string): ChildProcess {
    const ssh = (name: 'cloud' | 'sovereign') => ({
      ...{ address: this.lab.hosts[name].address, user: 'root' },
      ...{ privateKeyFile: this.lab.keyFile, knownHostsFile: this.lab.knownHostsFile },
    });
    const names = ['tokens', 'redis'] as const;
    const both = (prefix: string): HostOrder['members'] =>
      Object.fromEntries(
        names.map((name) => [
          name,
          { host: prefix ? 'sovereign' : 'cloud', pidFile: `/run/${prefix}${name}.pid` },
        ]),
      );
    const order: HostOrder = {
      ...{ work, storeFolder: this.storeFolder, maxPauseMs: MAX_PAUSE_MS, restoreId: target },
      hosts: { cloud: ssh('cloud'), sovereign: ssh('sovereign') },
      members: both(work === 'restore' ? `${target}-` : ''),
    };
    return fork(join(import.meta.dirname, 'host-death-child.ts'), [], {
      env: { PATH: process.env.PATH, HOME: process.env.HOME, HOST_ORDER: JSON.stringify(order) },
      execArgv: ['--disable-warning=ExperimentalWarning'],
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
  }

  /** Every application goes on within its lease, by its own account, and has lost nothing. */
  private async advance(): Promise<void> {
    await Promise.all(
      this.applications.map(async (application) => {
        let first: number | undefined;
        await until(async () => {
          const { confirmed, connections, errors, backwards } = await application.state();
          if (connections !== 1 || errors + backwards > 0)
            throw new Error(`${connections} connections, ${errors} errors, ${backwards} steps back`);
          first ??= confirmed;
          return confirmed > first;
        }, LEASE_MS + SLACK_MS);
      }),
    );
  }

  /** The twin works, and is ended; with it everything that was made for it goes by itself. */
  private async takeDown(target: string): Promise<void> {
    const host = this.hosts.sovereign;
    const network = await on(host, 'ls /run/netns | grep ^stasis-');
    const { confirmed } = await stateOf(host, network);
    await until(async () => (await stateOf(host, network)).confirmed > confirmed);
    await on(
      host,
      'for n in tokens redis; do kill -9 "$(cat "/run/$1-$n.pid")"; rm -f "/run/$1-$n.pid"*; done',
      target,
    );
  }

  private async openStore(): Promise<Store> {
    return ociLayout.open({ path: this.storeFolder }, testContext());
  }

  private async generations(): Promise<number> {
    return (await (await this.openStore()).name('hosts'))?.generations[0]?.generation ?? 0;
  }

  /** No half snapshot: what is sealed can be read to its last byte. */
  private async insistOnWholeness(): Promise<void> {
    const store = await this.openStore();
    const newest = (await store.name('hosts'))!.generations[0]!;
    const [finding] = await store.verify(newest.digest, 'content', testContext());
    if (finding) throw new Error(finding.message);
  }

  /** Everything of ours on both hosts. */
  private async leftOn(): Promise<string> {
    const look = `
ls -d /sys/fs/cgroup/stasis-* /sys/fs/cgroup/*/stasis-* /run/netns/stasis-* /run/stasis/dump-* /var/lib/stasis/* 2> /dev/null
cut -d ' ' -f 5 /proc/self/mountinfo | grep stasis
nft list tables | grep -iE 'stasis|criu'
lsns --noheadings --output COMMAND --type pid | grep -F stasis
true`;
    return (await Promise.all(Object.values(this.hosts).map((host) => on(host, look)))).join('\n').trim();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.resources.disposeAsync();
  }
}
