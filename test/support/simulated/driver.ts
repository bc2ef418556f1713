import { z } from 'zod';
import type { HoldKind, Reading } from '../../../provider/core/certificate.ts';
import type { Context } from '../../../provider/core/context.ts';
import type {
  Driver,
  Held,
  HoldEvidence,
  MarkReading,
  Session,
  Traits,
} from '../../../provider/core/driver.ts';
import type { Capture } from '../../../provider/core/manifest.ts';
import type { BlobReader, Blobs } from '../../../provider/core/store.ts';

/**
 * A system in memory, for tests of the coordinator alone: its state is a counter that a world advances. What real
 * systems do is shown by the drivers' own tests; here it is known at every instant what was true.
 */
export class SimulatedSystem {
  state = 0;
  lockedUntilMs = 0;
  /** Names of what was called, in order. */
  readonly calls: string[] = [];
  disposed = false;

  get locked(): boolean {
    return Date.now() < this.lockedUntilMs;
  }

  /** A client's write; refused while locked. */
  change(): boolean {
    if (this.locked) return false;
    this.state += 1;
    return true;
  }
}

export interface SimulatedPowers {
  readonly system: SimulatedSystem;
  readonly watch?: boolean;
  readonly hold?: Extract<HoldKind, 'locked' | 'frozen'>;
  /** Whether it holds memory of something that runs. */
  readonly runtime?: boolean;
  readonly copies?: Traits['copies'];
  /** How many more times it says that it is busy once it is asked. */
  readonly busyTimes?: number;
  readonly mark?: boolean;
  readonly rank?: number;
  readonly costMs?: number;
  readonly smear?: boolean;
  /** Runs before each call of the protocol; may throw, wait or abort. */
  readonly before?: (call: string) => Promise<void> | void;
}

async function turn(ticks: number): Promise<void> {
  for (let tick = 0; tick < ticks; tick += 1) await new Promise((resolve) => setImmediate(resolve));
}

/** A round trip to the system: some turns of the event loop before and after what happens there. */
async function exchange<T>(
  context: Context,
  at: () => T,
): Promise<{ sentNs: number; acknowledgedNs: number; seen: T }> {
  const sentNs = context.clock.nowNs();
  await turn(1 + Math.floor(Math.random() * 2));
  const seen = at();
  await turn(1 + Math.floor(Math.random() * 2));
  return { sentNs, acknowledgedNs: context.clock.nowNs(), seen };
}

class SimulatedSession implements Session {
  marked: number | undefined;
  readonly watch: Session['watch'];
  readonly hold: Session['hold'];
  readonly mark: Session['mark'];
  readonly smear: Session['smear'];
  private readonly powers: SimulatedPowers;
  private readonly context: Context;
  private readonly call: (name: string) => Promise<void>;

  constructor(powers: SimulatedPowers, context: Context) {
    this.powers = powers;
    this.context = context;
    this.call = async (name) => {
      powers.system.calls.push(name);
      await powers.before?.(name);
    };
    if (powers.watch) this.watch = this.makeWatch(powers);
    if (powers.hold) this.hold = this.makeHold(powers.hold);
    if (powers.mark) this.mark = { take: () => this.take() };
    if (powers.smear) this.smear = () => this.readAsItChanges();
  }

  private get system(): SimulatedSystem {
    return this.powers.system;
  }

  private makeWatch({ costMs = 1, busyTimes }: SimulatedPowers): NonNullable<Session['watch']> {
    const epoch = (): Promise<Reading> => this.epoch();
    if (busyTimes === undefined) return { costMs, epoch };
    let left = busyTimes;
    const busy = async (): Promise<number> => {
      await this.call('busy');
      left -= 1;
      return left < 0 ? 0 : 1;
    };
    return { costMs, epoch, busy };
  }

  private async reading(): Promise<Reading> {
    const { sentNs, acknowledgedNs, seen } = await exchange(this.context, () => this.system.state);
    return { sentNs, acknowledgedNs, value: `s${seen}` };
  }

  private async epoch(): Promise<Reading> {
    await this.call('epoch');
    const reading = await this.reading();
    if (!this.powers.mark) this.marked = Number(reading.value.slice(1));
    return reading;
  }

  private async take(): Promise<MarkReading[]> {
    await this.call('mark');
    const { sentNs, acknowledgedNs, seen } = await exchange(this.context, () => this.system.state);
    this.marked = seen;
    // What is frozen is dumped piece by piece: its hold alone makes one instant of that.
    if (this.powers.runtime) return [];
    return [{ sentNs, acknowledgedNs, act: `act-${sentNs}-${seen}`, epoch: `s${seen}` }];
  }

  /** Its readings show any change; that it was still held at the end is a condition of its own, as with real ones. */
  private makeHold(how: NonNullable<SimulatedPowers['hold']>): NonNullable<Session['hold']> {
    let first: Reading | undefined;
    return {
      how,
      freeze: async (leaseMs) => {
        await this.call('freeze');
        this.system.lockedUntilMs = Date.now() + leaseMs;
        first = await this.reading();
      },
      evidence: async (): Promise<HoldEvidence> => {
        await this.call('evidence');
        const observed = this.system.locked ? 'yes' : 'no';
        const conditions = [{ claim: 'still held at the end', expected: 'yes', observed }];
        return { readings: [first!, await this.reading()], captured: `s${this.marked}`, conditions };
      },
      thaw: async () => {
        await this.call('thaw');
        this.system.lockedUntilMs = 0;
      },
    };
  }

  private async readAsItChanges(): Promise<{ fromNs: number; toNs: number; reason: string }> {
    const { sentNs, acknowledgedNs, seen } = await exchange(this.context, () => this.system.state);
    this.marked = seen;
    return { fromNs: sentNs, toNs: acknowledgedNs, reason: 'it never stood still' };
  }

  async copy(blobs: Blobs): Promise<Capture> {
    await this.call('copy');
    const state = this.marked ?? this.system.state;
    async function* content(): AsyncGenerator<Uint8Array> {
      yield Buffer.from(String(state));
    }
    const blob = await blobs.put(content(), { chunking: 'content' });
    return {
      contentVersion: 1,
      content: { digest: blob.digest, state },
      sizeBytes: blob.sizeBytes,
      summary: `state ${state}`,
      coverage: { layers: ['data'], outside: [] },
      epoch: this.powers.mark ? undefined : `s${state}`,
      system: { product: 'simulated' },
    };
  }

  async *fingerprint(_blobs: BlobReader): AsyncGenerator<{ object: string; digest: string }> {
    yield { object: 'state', digest: `s${this.marked}` };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.system.calls.push('dispose');
    this.system.disposed = true;
  }
}

export function simulatedDriver(powers: SimulatedPowers): Driver {
  const nothing = { problems: [], identities: [], sizeBytes: 1 };
  const held = (state: () => number, onRelease: () => void): Held => ({
    async *fingerprint() {
      yield { object: 'state', digest: `s${state()}` };
    },
    release: async () => onRelease(),
    [Symbol.asyncDispose]: async () => {
      powers.system.calls.push('dispose');
    },
  });
  return {
    name: 'simulated',
    summary: 'A counter in memory.',
    spec: z.strictObject({
      place: z.string().describe('Where.').meta({ role: 'endpoint' }),
      part: z.string().optional().describe('What of it.').meta({ role: 'selection' }),
      password: z.string().optional().describe('How to get in.').meta({ role: 'access', secret: true }),
      patience: z.number().optional().describe('How long to wait.').meta({ role: 'limit' }),
    }),
    traits: {
      layers: powers.runtime ? ['runtime'] : ['data'],
      fidelity: 'equivalent',
      copies: powers.copies ?? 'after-release',
      rank: powers.rank ?? 10,
    },
    endpoint: (spec) => `simulated://${(spec as { place: string }).place}`,
    plan: async () => ({ ...nothing, folders: [], pauseMs: 0, outside: [], system: {} }),
    prepare: async (_spec, _at, context) => {
      powers.system.calls.push('prepare');
      await powers.before?.('prepare');
      return new SimulatedSession(powers, context);
    },
    planRestore: async () => ({ ...nothing, empty: powers.system.state === 0 }),
    restore: async (_spec, _at, from, _blobs, options) => {
      await options.journal({ filled: true });
      powers.system.calls.push('restore');
      await powers.before?.('restore');
      const { state } = from.content as { state: number };
      return held(
        () => state,
        () => {
          powers.system.state = state;
        },
      );
    },
    observe: async () =>
      held(
        () => powers.system.state,
        () => {},
      ),
    undo: async () => {
      powers.system.calls.push('undo');
    },
  };
}
