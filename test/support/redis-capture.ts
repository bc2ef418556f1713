import { tiesOf } from '../../provider/coordinator/ties.ts';
import type { Certificate, Judgement } from '../../provider/core/certificate.ts';
import type { Driver, HoldEvidence, MarkReading, Session } from '../../provider/core/driver.ts';
import {
  type Comparison,
  compareFingerprints,
  type Fingerprint,
  type FingerprintEntry,
} from '../../provider/core/fingerprint.ts';
import { judge } from '../../provider/core/judgement.ts';
import type { Capture, MemberCapture } from '../../provider/core/manifest.ts';
import { type Command, Connection } from '../../provider/drivers/redis/connection.ts';
import { redisDriver } from '../../provider/drivers/redis/driver.ts';
import { factsOf, readInfo } from '../../provider/drivers/redis/info.ts';
import { hasFieldExpiry } from '../../provider/drivers/redis/live.ts';
import type { RedisSpec } from '../../provider/drivers/redis/spec.ts';
import { localHost } from '../../provider/hosts/local/host.ts';
import { type MemoryBlobs, memoryBlobs, testContext } from './context.ts';
import { everything, everythingNewer, run } from './redis-data.ts';
import type { RedisServer } from './redis-server.ts';

export const redis: Driver<RedisSpec> = redisDriver;
export const host = localHost();
export const never = new AbortController().signal;
const LEASE_MS = 5_000;

/** Something done to the server at a moment of a cut. */
export type Meddle = (moment: 'held' | 'marked' | 'before-thaw' | 'thawed') => Promise<void> | void;

export interface TestCut {
  readonly judgement: Judgement;
  readonly evidence: HoldEvidence;
  readonly marks: readonly MarkReading[];
}

/** One cut as the coordinator makes it of a member alone, with others meddling, and judged. Always thaws. */
export async function cut(session: Session, meddle: Meddle = () => {}, leaseMs = LEASE_MS): Promise<TestCut> {
  const { hold, mark } = session;
  await hold!.settle?.(never);
  try {
    await hold!.freeze(leaseMs, never);
    await meddle('held');
    const marks = await mark!.take(never);
    await meddle('marked');
    const evidence = await hold!.evidence(never);
    await meddle('before-thaw');
    await hold!.thaw();
    await meddle('thawed');
    const ties = tiesOf({ epochs: [], marks, held: { how: hold!.how, evidence } });
    const certificate: Certificate = {
      formatVersion: 1,
      startedAt: '',
      members: { redis: ties },
      pauses: [],
    };
    // Another member that is only marked: then the hold itself has to stand for the whole to be sharp.
    const other = { tie: 'mark', act: 'other', conditions: [] } as const;
    const inside = marks[0]!.acknowledgedNs;
    const members = { redis: ties, other: [{ ...other, sentNs: inside, acknowledgedNs: inside }] };
    return { judgement: judge({ ...certificate, members }), evidence, marks };
  } finally {
    // As the coordinator does: what does not answer is left to its lease.
    await hold!.thaw().catch(() => undefined);
  }
}

export interface TestCapture {
  readonly from: MemberCapture;
  readonly blobs: MemoryBlobs;
  /** Read again from the blobs each time. */
  fingerprint(): Fingerprint;
}

/** A whole capture: session, one held cut, copy, fingerprint, disposal. */
export async function capture(spec: RedisSpec, blobs = memoryBlobs()): Promise<TestCapture> {
  await using session = await redis.prepare(spec, host, testContext());
  const { judgement } = await cut(session);
  if (!judgement.sharp) throw new Error(JSON.stringify(judgement.findings));
  const copied = await session.copy(blobs);
  const entries = await entriesOf(session.fingerprint(blobs));
  return { from: asMember(copied, spec), blobs, fingerprint: () => streamOf(entries) };
}

/** What the coordinator adds to a capture. */
export function asMember(copied: Capture, spec: RedisSpec): MemberCapture {
  const fingerprint = { digest: `sha256-64k:${'0'.repeat(64)}`, sizeBytes: 0, entries: 0 } as const;
  return { ...copied, driver: 'redis', endpoint: redis.endpoint(spec), fidelity: 'equivalent', fingerprint };
}

export async function entriesOf(fingerprint: Fingerprint): Promise<FingerprintEntry[]> {
  const entries: FingerprintEntry[] = [];
  for await (const entry of fingerprint) entries.push(entry);
  return entries;
}

export async function* streamOf(entries: readonly FingerprintEntry[]): Fingerprint {
  yield* entries;
}

/** The running server against a capture. */
export async function compareWithServer(captured: TestCapture, spec: RedisSpec): Promise<Comparison> {
  await using held = await redis.observe(spec, host, testContext());
  return compareFingerprints(captured.fingerprint(), held.fingerprint(), Date.now());
}

export interface RestoreWish {
  readonly restoreId?: string;
  readonly overwrite?: boolean;
  readonly expiry?: 'absolute' | 'remaining';
  readonly cutAtMs?: number;
  readonly journal?: (entry: unknown) => Promise<void>;
}

export function restoreOptions(wish: RestoreWish = {}) {
  return {
    restoreId: wish.restoreId ?? 'restore-1',
    overwrite: wish.overwrite ?? false,
    expiry: wish.expiry ?? 'absolute',
    cutAtMs: wish.cutAtMs ?? Date.now(),
    journal: wish.journal ?? (async () => {}),
  } as const;
}

export async function fill(server: RedisServer): Promise<void> {
  await using connection = await Connection.open({ url: server.url }, never);
  const facts = factsOf(await readInfo(connection));
  await run(connection, everything());
  await run(connection, everythingNewer({ functions: facts.major >= 7, fieldExpiry: hasFieldExpiry(facts) }));
}

/** Runs commands on a connection of its own. */
export async function tell(server: RedisServer, ...commands: Command[]): Promise<void> {
  await using connection = await Connection.open({ url: server.url }, never);
  await run(connection, commands);
}

export async function ask(server: RedisServer, db: number, ...command: string[]): Promise<string> {
  return server.cli('-n', String(db), ...command);
}

export async function restore(
  server: RedisServer,
  captured: TestCapture,
  wish: RestoreWish = {},
  context = testContext(),
) {
  return redis.restore(
    { url: server.url },
    host,
    captured.from,
    captured.blobs,
    restoreOptions(wish),
    context,
  );
}

export async function differences(
  captured: TestCapture,
  held: { fingerprint(): AsyncIterable<never> | ReturnType<TestCapture['fingerprint']> },
) {
  return (await compareFingerprints(captured.fingerprint(), held.fingerprint(), Date.now())).differences;
}

/** Everything of a server, for comparing before and after. */
export async function stateOf(server: RedisServer): Promise<unknown> {
  await using held = await redis.observe({ url: server.url }, host, testContext());
  return entriesOf(held.fingerprint());
}
