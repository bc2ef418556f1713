import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ociLayout } from '../../provider/stores/oci-layout/type.ts';
import type { Way } from '../conformance/engine/way.ts';
import { testContext } from '../support/context.ts';
import type { Lab } from '../support/lab.ts';
import { labHost, on, stateOf, TokenApplication, type TokenState, until } from '../support/process/rig.ts';
import type { HostDeath, LabHosts } from './host-deaths.ts';
import { EnginePerformer } from './host-engine.ts';
import { ChildPerformer, type HostRunEnd, MEMBERS, type Performer, type Work } from './host-run.ts';

const MAX_PAUSE_MS = 4_000;
/** The lease runs three seconds longer than the pause allowed; the rest is for a busy machine. */
const LEASE_MS = MAX_PAUSE_MS + 3_000;
const SLACK_MS = 8_000;
/** What of ours may take a moment to be gone. */
const SETTLE_MS = 20_000;

interface Performance extends HostRunEnd {
  /** When something died. */
  readonly moment: string;
}

export interface Play {
  readonly moment: string;
  readonly faults: readonly string[];
  /** A tree ended with what died, where that is known to happen, and we said so. */
  readonly tookATree: boolean;
}

type Noting = (what: string) => (error: unknown) => void;

/** An application on each host of a lab, and those who capture them all and restore each on the other host. */
export class Theatre implements AsyncDisposable {
  private readonly resources: AsyncDisposableStack;
  private readonly hosts: LabHosts;
  private readonly applications: TokenApplication[];
  private readonly storeFolder: string;
  /** Where the tokens' twin is reached. */
  private readonly twinAt: string;
  private readonly child: Performer;
  private readonly engine: Performer | undefined;
  private plays = 0;

  private constructor(
    resources: AsyncDisposableStack,
    hosts: LabHosts,
    applications: TokenApplication[],
    storeFolder: string,
    twinAt: string,
    performers: { readonly child: Performer; readonly engine: Performer | undefined },
  ) {
    this.resources = resources;
    this.hosts = hosts;
    this.applications = applications;
    this.storeFolder = storeFolder;
    this.twinAt = twinAt;
    this.child = performers.child;
    this.engine = performers.engine;
  }

  static async open(lab: Lab, engineWay: Way | undefined): Promise<Theatre> {
    await using starting = new AsyncDisposableStack();
    starting.use(lab);
    const folder = await mkdtemp(join(tmpdir(), 'stasis-host-death-'));
    starting.defer(() => rm(folder, { recursive: true, force: true }));
    const hosts = {
      cloud: starting.use(labHost(lab, 'cloud')),
      sovereign: starting.use(labHost(lab, 'sovereign')),
    };
    const applications = await Promise.all(Object.values(hosts).map((host) => TokenApplication.start(host)));
    for (const host of Object.values(hosts)) await on(host, 'echo 1 > /proc/sys/net/ipv4/ip_forward');
    const storeFolder = join(folder, 'store');
    const twinAt = `${lab.hosts.sovereign.address}:7170`;
    const child = starting.use(new ChildPerformer(lab, storeFolder, MAX_PAUSE_MS));
    const stage = { lab, hosts, folder, storeFolder, maxPauseMs: MAX_PAUSE_MS, child };
    const engine = engineWay && starting.use(await EnginePerformer.open(engineWay, stage));
    const theatre = new Theatre(starting.move(), hosts, applications, storeFolder, twinAt, { child, engine });
    // What a restore restores; and nothing that is asked for later proves anything if this does not work.
    for (const performer of engine ? [child, engine] : [child]) {
      const { end, told } = await theatre.perform(performer, 'capture', 'first');
      if (end !== 'done') throw new Error(`the first capture did not succeed: ${told}`);
    }
    return theatre;
  }

  async play(death: HostDeath, work: Work): Promise<Play> {
    this.plays += 1;
    const faults: string[] = [];
    const noting: Noting = (what) => (error) => {
      faults.push(`${what}: ${error instanceof Error ? error.message : String(error)}`);
    };
    const performer = death.byEngine ? this.engine! : this.child;
    const before = await this.generations(performer);
    const target = `twin-${this.plays}`;
    const { moment, end, told } = await this.perform(performer, work, target, { death, noting });
    const tookATree = death.mayTakeATree === true && (await this.replaceLost());
    // What the application says of itself then is of no account, but that we told has to be.
    if (tookATree) faults.splice(0, faults.length, ...(told.startsWith(TREE_LOST) ? [] : [`told: ${told}`]));
    const made = (await this.generations(performer)) - before;
    if (work === 'capture' && made > (end === 'failed' ? 0 : 1)) faults.push(`${made} snapshots appeared`);
    await this.insistOnWholeness(performer).catch(noting('the store'));
    const next = await this.perform(performer, work, target).catch((error: unknown) => {
      noting(`the next ${work}`)(error);
    });
    if (next && next.end !== 'done') faults.push(`the next ${work} failed: ${next.told}`);
    if (work === 'restore' && next?.end === 'done') await this.takeDown(target).catch(noting('the twin'));
    await this.advance().catch(noting('afterwards'));
    await until(async () => (await this.leftOn()) === '', SETTLE_MS).catch(async () => {
      faults.push(`left: ${(await this.leftOn()).split('\n').join(' ')}`);
    });
    return { moment, faults, tookATree };
  }

  /** Runs ours once; with a death at some moment of it, after which everybody has to run in time. */
  private async perform(
    performer: Performer,
    work: Work,
    target: string,
    dying?: { readonly death: HostDeath; readonly noting: Noting },
  ): Promise<Performance> {
    const run = await performer.start(work, target);
    if (dying === undefined) return { moment: '', ...(await run.ended) };
    const { death, noting } = dying;
    const step = await run.reached;
    const laterMs = Math.floor(Math.random() * run.spanMs);
    await sleep(laterMs);
    const host = this.hosts[Math.random() < 0.5 ? 'cloud' : 'sovereign'];
    await using _ = await death.strike({ hosts: this.hosts, host, run });
    await this.advance().catch(noting('not within the lease'));
    if (death.endsUs) run.signal('SIGKILL');
    const ended = await run.ended.catch((error: unknown): HostRunEnd => {
      noting('its end')(error);
      return { end: 'gone', told: '' };
    });
    return { moment: `${laterMs} ms after ${step} (${host.name})`, ...ended };
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

  /** Whether an application had lost one of its trees; it is started anew then. */
  private async replaceLost(): Promise<boolean> {
    const alive = 'for n in tokens redis; do kill -0 "$(cat /run/$n.pid)" || exit 1; done';
    const lost = await Promise.all(
      this.applications.map(({ host }) =>
        on(host, alive).then(
          () => false,
          () => true,
        ),
      ),
    );
    for (const [index, application] of this.applications.entries()) {
      if (!lost[index]) continue;
      await on(application.host, 'kill -9 $(cat /run/tokens.pid /run/redis.pid) 2> /dev/null; true');
      this.applications[index] = await TokenApplication.start(application.host);
    }
    return lost.includes(true);
  }

  /** The twins work, and are ended; with them everything that was made for them goes by itself. */
  private async takeDown(target: string): Promise<void> {
    const twin = (): Promise<TokenState> => stateOf(this.hosts.cloud, '', this.twinAt);
    const { confirmed } = await twin();
    await until(async () => (await twin()).confirmed > confirmed);
    for (const [name, { twinHost }] of Object.entries(MEMBERS))
      await on(
        this.hosts[twinHost],
        'kill -9 "$(cat "/run/$1-$2.pid")"; rm -f "/run/$1-$2.pid"*',
        target,
        name,
      );
  }

  private openStore(): ReturnType<typeof ociLayout.open> {
    return ociLayout.open({ path: this.storeFolder }, testContext());
  }

  private async generations({ snapshotName }: Performer): Promise<number> {
    return (await (await this.openStore()).name(snapshotName))?.generations[0]?.generation ?? 0;
  }

  /** No half snapshot: what is sealed can be read to its last byte. */
  private async insistOnWholeness({ snapshotName }: Performer): Promise<void> {
    const store = await this.openStore();
    const newest = (await store.name(snapshotName))!.generations[0]!;
    const [finding] = await store.verify(newest.digest, 'content', testContext());
    if (finding) throw new Error(finding.message);
  }

  /** Everything of ours on both hosts. */
  private async leftOn(): Promise<string> {
    const look = `
ls -d /sys/fs/cgroup/stasis-* /sys/fs/cgroup/*/stasis-* /run/netns/stasis-* /run/stasis/dump-* /var/lib/stasis/* \\
  /srv/app/*.stasis-* 2> /dev/null
cut -d ' ' -f 5 /proc/self/mountinfo | grep stasis
nft list tables | grep -iE 'stasis|criu'
ip -o link | grep -F ' st-'
ls -d /run/stasis/ports/* 2> /dev/null
lsns --noheadings --output COMMAND --type pid | grep -F stasis
true`;
    return (await Promise.all(Object.values(this.hosts).map((host) => on(host, look)))).join('\n').trim();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.resources.disposeAsync();
  }
}

/** The code of what we say then. */
const TREE_LOST = 'runtime.tree-lost';
