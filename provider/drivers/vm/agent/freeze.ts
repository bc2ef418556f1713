import type { Condition } from '../../../core/certificate.ts';
import { StasisError } from '../../../core/errors.ts';
import type { Host } from '../../../core/host.ts';
import type { Access } from '../monitor/access.ts';
import type { VmSpec } from '../spec.ts';
import { GuestAgent } from './agent.ts';

/** How the guest's file systems are on its disks. */
export type FileSystems = 'as-after-a-power-cut' | 'frozen' | 'none-to-freeze';

interface Parts {
  readonly spec: VmSpec;
  readonly host: Host;
  /** With the agent; undefined where there is none: then nothing is frozen. */
  readonly access: Access | undefined;
  readonly folder: string;
}

/**
 * The guest's file systems, frozen around a cut. Its agent answers only while the VM runs: they are frozen before it is
 * stopped, and thawed once it runs again. The agent's channel serves one client at a time, so it is ours for that long
 * only.
 */
export class GuestFreeze implements AsyncDisposable {
  private readonly parts: Parts;
  private agent: GuestAgent | undefined;
  private thawing: Promise<void> | undefined;
  private closing: Promise<void> = Promise.resolve();
  private maybeFrozen = false;
  private frozen: number | undefined;
  private thawed: number | undefined;

  constructor(parts: Parts) {
    this.parts = parts;
  }

  /** Whether they may be frozen by us. */
  get isFrozen(): boolean {
    return this.maybeFrozen;
  }

  get fileSystems(): FileSystems {
    if (this.frozen === undefined) return 'as-after-a-power-cut';
    return this.frozen > 0 ? 'frozen' : 'none-to-freeze';
  }

  /** How many were frozen at the last cut. */
  get count(): number {
    return this.frozen ?? 0;
  }

  /** All that may come before the freeze. @throws StasisError as `GuestAgent.open` and `check` */
  async ready(signal: AbortSignal): Promise<void> {
    const { access, host, folder, spec } = this.parts;
    if (access === undefined || this.agent !== undefined) return;
    await this.closing;
    await atAgent(spec, async () => {
      const agent = await GuestAgent.open(host, access, folder, signal);
      try {
        await agent.check(signal);
        this.agent = agent;
      } catch (error) {
        await agent[Symbol.asyncDispose]();
        throw error;
      }
    });
  }

  /** @throws StasisError `vm.agent-refused` */
  async freeze(signal: AbortSignal): Promise<void> {
    await this.ready(signal);
    const { agent } = this;
    if (agent === undefined) return;
    this.frozen = undefined;
    this.thawed = undefined;
    // Said before: what is cancelled on its way to the agent is done all the same.
    this.maybeFrozen = true;
    await atAgent(this.parts.spec, async () => {
      try {
        this.frozen = await agent.freeze(signal);
        this.maybeFrozen = this.frozen > 0;
      } catch (error) {
        if (error instanceof StasisError && error.code === 'vm.agent-refused') this.maybeFrozen = false;
        throw error;
      }
    });
  }

  /** To be called while they are frozen. */
  conditions(): Condition[] {
    if (this.frozen === undefined) return [];
    const observed = this.maybeFrozen ? this.frozen : 0;
    const claim = "the guest's file systems that its agent keeps frozen";
    return [{ claim, expected: String(this.frozen), observed: String(observed) }];
  }

  /** Idempotent. The VM has to run. The end of the conversation is not waited for: it is no part of the pause. */
  thaw(): Promise<void> {
    // Whoever asks meanwhile waits for the same: a second answer would say that it has thawed none.
    this.thawing ??= this.thawAndClose().finally(() => {
      this.thawing = undefined;
    });
    return this.thawing;
  }

  private async thawAndClose(): Promise<void> {
    if (this.maybeFrozen) {
      this.thawed = await this.agent!.thaw();
      this.maybeFrozen = false;
    }
    this.close();
  }

  /** @throws StasisError `cut.lost` where they were not frozen to the end: somebody else has thawed them */
  insistOnFrozen(): void {
    if (this.frozen === undefined || this.thawed === undefined || this.thawed >= this.frozen) return;
    throw new StasisError('cut.lost', "Somebody has thawed the guest's file systems while the VM was held.", {
      hint: 'Another backup may have spoken with its agent: capture when it is over.',
    });
  }

  private close(): void {
    if (this.agent) this.closing = this.agent[Symbol.asyncDispose]();
    this.agent = undefined;
  }

  /** Ends the conversation; who does not thaw before leaves that to the watchdog. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
    await this.closing;
  }
}

/** Why its file systems cannot be frozen. Reads only. */
export async function agentProblems(
  spec: VmSpec,
  access: Access,
  host: Host,
  signal: AbortSignal,
): Promise<StasisError[]> {
  try {
    await atAgent(spec, async () => {
      await using agent = await GuestAgent.open(host, access, undefined, signal);
      await agent.check(signal);
    });
    return [];
  } catch (error) {
    if (error instanceof StasisError && error.code.startsWith('vm.agent-')) return [error];
    throw error;
  }
}

/** Errors at what the user has named the agent by. */
async function atAgent(spec: VmSpec, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof StasisError) || !error.code.startsWith('vm.agent-')) throw error;
    throw error.placedAt([spec.agent === undefined ? 'domain' : 'agent']);
  }
}
