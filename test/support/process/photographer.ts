import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { capture } from '../../../provider/coordinator/capture.ts';
import type { Member } from '../../../provider/coordinator/member.ts';
import { type RestoreResult, restore } from '../../../provider/coordinator/restore.ts';
import type { RestoreRequest } from '../../../provider/coordinator/restore-plan.ts';
import type { CapturePlan } from '../../../provider/core/driver.ts';
import type { StasisError } from '../../../provider/core/errors.ts';
import type { Host } from '../../../provider/core/host.ts';
import type { Probe } from '../../../provider/core/probe.ts';
import type { Sample } from '../../../provider/core/sample.ts';
import type { SealedSnapshot, Store } from '../../../provider/core/store.ts';
import { processDriver } from '../../../provider/drivers/process/driver.ts';
import { ociLayout } from '../../../provider/stores/oci-layout/type.ts';
import { testContext } from '../context.ts';
import type { Lab, LabHere } from '../lab.ts';
import { labHost, on } from './rig.ts';

type Overrides = Partial<Pick<RestoreRequest, 'overwrite' | 'egress' | 'restoreId' | 'verify'>>;
const LIMITS = { maxPauseMs: 20_000, maxBlurMs: 0 };

/** A restored tree, and how to look at it from within what it sees. */
export class Twin {
  readonly host: Host;
  readonly pidFile: string;
  readonly result: RestoreResult;

  constructor(host: Host, pidFile: string, result: RestoreResult) {
    this.host = host;
    this.pidFile = pidFile;
    this.result = result;
  }

  /** Runs a shell script in its mount and network namespaces. */
  run(script: string, ...args: string[]): Promise<string> {
    return inside(this.host, this.pidFile, script, ...args);
  }

  async end(): Promise<void> {
    await on(this.host, 'kill -9 "$(cat "$1")"; rm -f -- "$1" "$1.stasis"', this.pidFile);
  }
}

/** In the mount and network namespaces of the process that the file names: there a script means what it means to it. */
export function inside(host: Host, pidFile: string, script: string, ...args: string[]): Promise<string> {
  const enter = 'pid=$(cat "$1"); shift; exec nsenter --target "$pid" --mount --net -- sh -c "$@"';
  return on(host, enter, pidFile, script, 'inside', ...args);
}

/** Two hosts and a store, to capture trees on the one and bring them back on either. */
export class Photographer implements AsyncDisposable {
  readonly lab: Lab;
  readonly cloud: Host & AsyncDisposable;
  readonly sovereign: Host & AsyncDisposable;
  readonly store: Store;
  private readonly folder: string;
  private restores = 0;

  private constructor(lab: Lab, store: Store, folder: string) {
    this.lab = lab;
    this.store = store;
    this.folder = folder;
    this.cloud = labHost(lab, 'cloud');
    this.sovereign = labHost(lab, 'sovereign');
  }

  static async start(here: LabHere): Promise<Photographer> {
    const lab = await here.start();
    const folder = await mkdtemp(join(tmpdir(), 'stasis-photographer-'));
    const store = await ociLayout.open({ path: join(folder, 'store') }, testContext());
    return new Photographer(lab, store, folder);
  }

  member(name: string, host: Host, spec: object): Member {
    return { name, driver: processDriver, spec: processDriver.spec.parse(spec), host };
  }

  plan(spec: object): Promise<CapturePlan> {
    return processDriver.plan(processDriver.spec.parse(spec), this.cloud, testContext());
  }

  /** Of one tree on `cloud`. */
  photograph(name: string, spec: object): Promise<SealedSnapshot> {
    return this.photographAll(name, [this.member(name, this.cloud, spec)]);
  }

  photographAll(
    name: string,
    members: readonly Member[],
    probes: readonly Probe[] = [],
    samples: readonly Sample[] = [],
  ): Promise<SealedSnapshot> {
    const request = { name, owner: 'test', limits: LIMITS, createdBy: 'test', store: this.store };
    return capture({ ...request, members, probes, samples }, testContext());
  }

  /** What a restore of all of it is asked for, by the names that its members have. */
  async request(
    sealed: SealedSnapshot,
    members: readonly Member[],
    overrides: Overrides = {},
  ): Promise<RestoreRequest> {
    this.restores += 1;
    const snapshot = await this.store.open(sealed.name, sealed.digest, testContext());
    return {
      ...{ restoreId: `${sealed.name}-${this.restores}`, overwrite: false, safetySnapshot: false },
      ...{ verify: 'identical', expiry: 'absolute', createdBy: 'test', store: this.store, snapshot },
      members,
      ...overrides,
    };
  }

  /** Of what would be restored there. */
  async obstacles(
    { manifest }: SealedSnapshot,
    { name, spec, host }: Member,
  ): Promise<readonly StasisError[]> {
    const parsed = spec as Parameters<typeof processDriver.planRestore>[0];
    const { problems } = await processDriver.planRestore(
      parsed,
      host,
      manifest.members[name]!,
      testContext(),
    );
    return problems;
  }

  async bringBack(sealed: SealedSnapshot, host: Host, overrides: Overrides = {}): Promise<Twin> {
    this.restores += 1;
    const pidFile = `/run/twin-${sealed.name}-${this.restores}.pid`;
    return this.bringBackTo(sealed, host, pidFile, overrides);
  }

  async bringBackTo(
    sealed: SealedSnapshot,
    host: Host,
    pidFile: string,
    overrides: Overrides = {},
  ): Promise<Twin> {
    const members = [this.member(sealed.name, host, { pidFile })];
    const result = await restore(await this.request(sealed, members, overrides), testContext());
    return new Twin(host, pidFile, result);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.cloud[Symbol.asyncDispose]();
    await this.sovereign[Symbol.asyncDispose]();
    await this.lab[Symbol.asyncDispose]();
    await rm(this.folder, { recursive: true, force: true });
  }
}
