import type { Context } from '../../provider/core/context.ts';
import type {
  Driver,
  EpochReading,
  Holdable,
  HoldEvidence,
  Markable,
  MarkReading,
  Session,
  Watchable,
} from '../../provider/core/driver.ts';

/** What a saboteur may do around and to the answers of a session, while the coordinator believes in it. */
export interface Sabotage {
  afterFreeze?(session: Session): Promise<void>;
  beforeMark?(session: Session): Promise<void>;
  afterMark?(session: Session): Promise<void>;
  beforeEvidence?(session: Session): Promise<void>;
  beforeCopy?(session: Session): Promise<void>;
  /** After the first of two readings around a mark. */
  afterEpoch?(session: Session, count: number): Promise<void>;
  epoch?(reading: EpochReading, count: number): EpochReading;
  marks?(readings: readonly MarkReading[]): readonly MarkReading[];
  evidence?(evidence: HoldEvidence): HoldEvidence;
}

/** The real driver, with its sessions sabotaged. Everything that is not sabotaged is the real thing. */
export function sabotagedDriver(driver: Driver, sabotage: Sabotage): Driver {
  return {
    ...driver,
    name: driver.name,
    endpoint: (spec) => driver.endpoint(spec),
    plan: (spec, at, context) => driver.plan(spec, at, context),
    prepare: async (spec, at, context: Context) =>
      sabotagedSession(await driver.prepare(spec, at, context), sabotage),
    planRestore: (spec, at, from, context) => driver.planRestore(spec, at, from, context),
    restore: (spec, at, from, blobs, options, context) =>
      driver.restore(spec, at, from, blobs, options, context),
    observe: (spec, at, context) => driver.observe(spec, at, context),
    undo: (spec, at, entry, context) => driver.undo(spec, at, entry, context),
  };
}

function sabotagedSession(session: Session, sabotage: Sabotage): Session {
  return {
    watch: session.watch && sabotagedWatch(session, session.watch, sabotage),
    hold: session.hold && sabotagedHold(session, session.hold, sabotage),
    mark: session.mark && sabotagedMark(session, session.mark, sabotage),
    preload: session.preload && ((blobs) => session.preload!(blobs)),
    smear: session.smear && ((blobs) => session.smear!(blobs)),
    copy: async (blobs) => {
      await sabotage.beforeCopy?.(session);
      return session.copy(blobs);
    },
    fingerprint: (blobs) => session.fingerprint(blobs),
    [Symbol.asyncDispose]: () => session[Symbol.asyncDispose](),
  };
}

function sabotagedWatch(session: Session, watch: Watchable, sabotage: Sabotage): Watchable {
  let count = 0;
  return {
    costMs: watch.costMs,
    epoch: async (signal) => {
      count += 1;
      const reading = await watch.epoch(signal);
      await sabotage.afterEpoch?.(session, count);
      return sabotage.epoch?.(reading, count) ?? reading;
    },
  };
}

function sabotagedHold(session: Session, hold: Holdable, sabotage: Sabotage): Holdable {
  const sabotagedEvidence = async (
    take: (signal: AbortSignal) => Promise<HoldEvidence>,
    signal: AbortSignal,
  ): Promise<HoldEvidence> => {
    await sabotage.beforeEvidence?.(session);
    const evidence = await take(signal);
    return sabotage.evidence?.(evidence) ?? evidence;
  };
  return {
    how: hold.how,
    settle: hold.settle && ((signal, leaseMs) => hold.settle!(signal, leaseMs)),
    renew: hold.renew && (() => hold.renew!()),
    freeze: async (leaseMs, signal) => {
      await hold.freeze(leaseMs, signal);
      await sabotage.afterFreeze?.(session);
    },
    evidence: (signal) => sabotagedEvidence((own) => hold.evidence(own), signal),
    thawWithEvidence:
      hold.thawWithEvidence && ((signal) => sabotagedEvidence((own) => hold.thawWithEvidence!(own), signal)),
    thaw: () => hold.thaw(),
  };
}

function sabotagedMark(session: Session, mark: Markable, sabotage: Sabotage): Markable {
  return {
    take: async (signal) => {
      await sabotage.beforeMark?.(session);
      const readings = await mark.take(signal);
      await sabotage.afterMark?.(session);
      return sabotage.marks?.(readings) ?? readings;
    },
  };
}
