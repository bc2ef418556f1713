import type { Certificate, Tie } from '../core/certificate.ts';
import type { Context } from '../core/context.ts';
import { StasisError, toStasisError } from '../core/errors.ts';
import { encodeFingerprint, type FingerprintEntry } from '../core/fingerprint.ts';
import { judge, longestPauseMs } from '../core/judgement.ts';
import { type Capture, FORMAT_VERSION, type Manifest, type MemberCapture } from '../core/manifest.ts';
import type { Probe } from '../core/probe.ts';
import type { Sample } from '../core/sample.ts';
import type { Blobs, Draft, SealedSnapshot, Store } from '../core/store.ts';
import { nsToMs } from '../core/units.ts';
import { allSettledOrThrow } from './concurrently.ts';
import { type Cut, findCut } from './cut.ts';
import { atMember, type CutLimits, type Member, type Participant } from './member.ts';
import { planCapture, throwFirstError } from './plan.ts';
import { Prober } from './probes.ts';
import { askSamples, recordSamples } from './samples.ts';
import { tiesOf } from './ties.ts';
import { type CopyHeld, certificateOf, copiesHeld } from './try.ts';

export interface CaptureRequest {
  readonly name: string;
  /** The resource that owns the name. */
  readonly owner: string;
  readonly members: readonly Member[];
  readonly store: Store;
  readonly limits: CutLimits;
  /** How many generations stay; all when absent. */
  readonly keep?: number;
  readonly probes?: readonly Probe[];
  readonly samples?: readonly Sample[];
  /** What made it, for the manifest: `stasis 0.1.0`. */
  readonly createdBy: string;
}

/** A capture whose state was gone before it was copied is cut again this many times at most. */
const ROUNDS = 5;

/**
 * The nine steps of one snapshot: plan, prepare, hold, mark, thaw, copy, fingerprint, judge, seal. Abort is legal at
 * every step: then everything is thawed and dropped, and the store is as it was.
 */
export async function capture(request: CaptureRequest, context: Context): Promise<SealedSnapshot> {
  context.progress({ step: 'plan' });
  const planned = await planCapture(request.members, request.store, request.limits, context);
  throwFirstError(planned.problems);
  const asked = await askSamples(request.samples ?? [], request.members, context);

  await using resources = new AsyncDisposableStack();
  const draft = resources.use(await request.store.begin(request.name, request.owner, context));
  context.progress({ step: 'prepare' });
  const participants = await prepare(request.members, resources, context);
  const prober = new Prober(request.probes ?? [], context);
  await prober.prepare(participants);
  const captured = await cutAndCopy(participants, draft, request.limits, context, prober);

  const certificate = certificateOf(captured.ties, captured.cut.pauses, context);
  const probes = await prober.records(participants, captured.cut.observations, certificate, draft);

  context.progress({ step: 'fingerprint' });
  const members = await fingerprintAll(participants, captured.captures, draft, context);
  context.progress({ step: 'seal' });
  const told = { probes, samples: await recordSamples(asked, draft) };
  const sealed = await draft.seal({ manifest: manifestOf(request, captured, certificate, members, told) });
  // The snapshot is whole, and its members run. One that fails leaves no snapshot, so what follows must not fail it.
  const warned = (what: string) => (error: unknown) => {
    const message = `The snapshot is whole, but ${what}: ${toStasisError(error).message}`;
    context.progress({ step: 'seal', severity: 'warning', message });
  };
  await keepNewest(request, sealed, context).catch(warned('older generations could not be removed'));
  await resources.disposeAsync().catch(warned('what the capture has used could not be cleaned up'));
  return sealed;
}

/** Starts every member's session; a session that was started is disposed of, whatever becomes of the others. */
async function prepare(
  members: readonly Member[],
  resources: AsyncDisposableStack,
  context: Context,
): Promise<Participant[]> {
  return allSettledOrThrow(members, context.signal, async (member, signal) => {
    try {
      const session = resources.use(
        await member.driver.prepare(member.spec, member.host, { ...context, signal }),
      );
      return { member, session };
    } catch (error) {
      throw atMember(member, error);
    }
  });
}

interface Captured {
  readonly cut: Cut;
  readonly captures: ReadonlyMap<string, Capture>;
  readonly ties: Readonly<Record<string, readonly Tie[]>>;
}

/** Cuts and copies, again where what a cut showed was gone before it was copied. */
async function cutAndCopy(
  participants: readonly Participant[],
  draft: Draft,
  limits: CutLimits,
  context: Context,
  prober: Prober,
): Promise<Captured> {
  await Promise.all(
    participants.map(({ member, session }) =>
      session.preload?.(counted(draft.blobs(member.name), member, 'prepare', context)),
    ),
  );
  for (let round = 1; ; round += 1) {
    try {
      context.progress({ step: 'hold', message: round > 1 ? `cutting again, round ${round}` : undefined });
      const copied = new Map<string, Capture>();
      const copyHeld: CopyHeld = async ({ member, session }) => {
        const blobs = counted(draft.blobs(member.name), member, 'copy', context);
        copied.set(member.name, await session.copy(blobs).catch(placed(member)));
      };
      const cut = await findCut(participants, limits, context, copyHeld, prober);
      return await copyAll(participants, { cut, copied }, draft, limits, context);
    } catch (error) {
      const lost = error instanceof StasisError && error.code === 'cut.lost';
      if (!lost || round >= ROUNDS) throw error;
      context.logger.log('info', 'what the cut showed was gone before it was copied', {
        round,
        reason: error.message,
      });
    }
  }
}

/**
 * Copies from the marks. What has no mark is copied first, as it can be lost while others take their time; so a cut
 * that has to be made again costs little.
 */
async function copyAll(
  participants: readonly Participant[],
  { cut, copied }: { readonly cut: Cut; readonly copied: ReadonlyMap<string, Capture> },
  draft: Draft,
  limits: CutLimits,
  context: Context,
): Promise<Captured> {
  const captures = new Map<string, Capture>();
  const ties: Record<string, readonly Tie[]> = {};
  const copy = async ({ member, session }: Participant): Promise<void> => {
    context.progress({ step: 'copy', member: member.name });
    try {
      const blobs = counted(draft.blobs(member.name), member, 'copy', context);
      const smear = await smearIfUntied({ member, session }, cut, blobs);
      const held = copiesHeld({ member, session }) ? copied.get(member.name) : undefined;
      const captured = held ?? (await session.copy(blobs));
      captures.set(member.name, captured);
      ties[member.name] = smear ?? tiesOf(cut.observations.get(member.name)!, captured.epoch ?? '');
    } catch (error) {
      throw atMember(member, error);
    }
  };
  const fleeting = participants.filter(({ session }) => !session.mark);
  await allSettledOrThrow(fleeting, context.signal, copy);
  const lasting = participants.filter(({ session }) => session.mark);
  await allSettledOrThrow(lasting, context.signal, copy);
  insistOnSharpness({ cut, captures, ties }, limits, context);
  return { cut, captures, ties };
}

function placed(member: Member): (error: unknown) => never {
  return (error) => {
    throw atMember(member, error);
  };
}

/** Where blur is accepted and a member was never still, it is read as it changes, and the certificate says so. */
async function smearIfUntied(
  { member, session }: Participant,
  cut: Cut,
  blobs: Blobs,
): Promise<Tie[] | undefined> {
  const observation = cut.observations.get(member.name)!;
  if (cut.judgement.sharp || tiesOf(observation).length > 0) return undefined;
  if (!session.smear)
    throw new StasisError(
      'cut.not-still',
      `"${member.name}" was never still for long enough to be captured.`,
      {
        hint: 'Capture it at a quieter time.',
      },
    );
  return [{ tie: 'smear', ...(await session.smear(blobs)) }];
}

function insistOnSharpness(captured: Captured, limits: CutLimits, context: Context): void {
  const { sharp, blurMs, findings } = judge(certificateOf(captured.ties, captured.cut.pauses, context));
  if (sharp || (blurMs !== null && limits.maxBlurMs > 0 && blurMs <= limits.maxBlurMs)) return;
  const why = findings.map(({ member, message }) => (member ? `${member}: ${message}` : message)).join('; ');
  throw new StasisError(
    'cut.not-sharp',
    blurMs === null
      ? `The snapshot cannot be tied to one instant: ${why}.`
      : `The snapshot would be blurred over ${blurMs.toFixed(1)} ms, more than maxBlurMs (${limits.maxBlurMs} ms) allows: ${why}.`,
    { hint: 'Capture at a quieter time, or accept more blur with maxBlurMs.', at: ['maxBlurMs'] },
  );
}

/** Reports how much was copied, by the bytes that the driver hands over. */
function counted(blobs: Blobs, member: Member, step: string, context: Context): Blobs {
  let doneBytes = 0;
  return {
    has: (digest) => blobs.has(digest),
    get: (digest, range) => blobs.get(digest, range),
    put: (content, options) => blobs.put(count(content), options),
    ...(blobs.keep && { keep: (digest) => blobs.keep!(digest) }),
  };
  async function* count(content: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const chunk of content) {
      doneBytes += chunk.length;
      context.progress({ step, member: member.name, doneBytes });
      yield chunk;
    }
  }
}

async function fingerprintAll(
  participants: readonly Participant[],
  captures: ReadonlyMap<string, Capture>,
  draft: Draft,
  context: Context,
): Promise<Record<string, MemberCapture>> {
  const members = await allSettledOrThrow(participants, context.signal, async ({ member, session }) => {
    try {
      const blobs = draft.blobs(member.name);
      let entries = 0;
      const lines = (async function* (): AsyncGenerator<FingerprintEntry> {
        for await (const entry of session.fingerprint(blobs)) {
          entries += 1;
          yield entry;
        }
      })();
      const descriptor = await blobs.put(encodeFingerprint(lines), { chunking: 'content' });
      const made: MemberCapture = {
        ...captures.get(member.name)!,
        driver: member.driver.name,
        endpoint: member.driver.endpoint(member.spec),
        fidelity: member.driver.traits.fidelity,
        fingerprint: { ...descriptor, entries },
      };
      return [member.name, made] as const;
    } catch (error) {
      throw atMember(member, error);
    }
  });
  return Object.fromEntries(members);
}

function manifestOf(
  request: CaptureRequest,
  captured: Captured,
  certificate: Certificate,
  members: Readonly<Record<string, MemberCapture>>,
  { probes, samples }: Required<Pick<Manifest, 'probes' | 'samples'>>,
): Omit<Manifest, 'generation' | 'storedBytes' | 'newBytes'> {
  const { sharp, blurMs, cutNs } = judge(certificate);
  return {
    formatVersion: FORMAT_VERSION,
    name: request.name,
    cutAt: new Date(Date.parse(certificate.startedAt) + nsToMs(cutNs ?? 0)).toISOString(),
    sharp,
    blurMs: blurMs ?? 0,
    pauseMs: longestPauseMs(captured.cut.pauses),
    certificate,
    members,
    ...(Object.keys(probes).length > 0 && { probes }),
    ...(Object.keys(samples).length > 0 && { samples }),
    sizeBytes: Object.values(members).reduce((sum, member) => sum + member.sizeBytes, 0),
    createdBy: request.createdBy,
  };
}

/** Removes the owner's older generations; never a pinned one. */
async function keepNewest(request: CaptureRequest, sealed: SealedSnapshot, context: Context): Promise<void> {
  const { keep } = request;
  if (keep === undefined) return;
  const record = await request.store.name(request.name);
  const old = (record?.generations ?? [])
    .map(({ generation }) => generation)
    .filter((generation) => generation <= sealed.generation - keep);
  if (old.length > 0) await request.store.remove(request.name, request.owner, old, context);
}
