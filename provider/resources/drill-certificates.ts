import type { KeyObject } from 'node:crypto';
import type { Context } from '../core/context.ts';
import type { Digest } from '../core/digest.ts';
import {
  DRILL_ARTIFACT,
  type DrillFacts,
  encodeStatement,
  parseStatement,
  STATEMENT_PAYLOAD,
} from '../core/drill-certificate.ts';
import { DSSE_TYPE, openEnvelope, parseEnvelope } from '../core/dsse.ts';
import { formatAge } from '../core/duration.ts';
import { StasisError } from '../core/errors.ts';
import type { Host } from '../core/host.ts';
import type { Values } from '../core/resource.ts';
import type { AttachmentEntry, Store } from '../core/store.ts';
import { signEnvelope } from './signing.ts';

/** By which a Drill finds its own certificate again. */
const DRILL_ID = 'dev.stasis.drill';

/** A certificate as it lies beside its snapshot. */
export interface Certificate {
  readonly digest: Digest;
  /** Of the drill that left it. */
  readonly drillId: string;
  /** The envelope, as JSON. */
  readonly text: string;
  /** What it says; whether that is signed by anybody in particular is another question. */
  readonly facts: DrillFacts;
}

/** Signs what a drill found and lays it beside the snapshot. */
export async function leaveCertificate(
  store: Store,
  of: { readonly name: string; readonly digest: Digest; readonly drillId: string },
  facts: DrillFacts,
  said: Values,
  host: Host,
  context: Context,
): Promise<{ readonly digest: Digest; readonly text: string; readonly keyId: string }> {
  const payload = encodeStatement(of.name, of.digest, facts);
  const { envelope, keyId } = await signEnvelope(said, STATEMENT_PAYLOAD, payload, host, context);
  const text = JSON.stringify(envelope);
  const attachment = {
    ...{ artifactType: DRILL_ARTIFACT, mediaType: DSSE_TYPE, content: Buffer.from(text) },
    createdAt: facts.finishedAt,
    annotations: { [DRILL_ID]: of.drillId, 'dev.stasis.drill.verdict': facts.verdict },
  };
  return { digest: await store.attach(of.name, of.digest, attachment, context), text, keyId };
}

/** The certificates of a snapshot that can be read, newest first. What cannot be read is logged. */
export async function certificatesOf(store: Store, digest: Digest, context: Context): Promise<Certificate[]> {
  const attached = await store.attachments(digest, DRILL_ARTIFACT);
  return attached.flatMap((one) => {
    try {
      return [readCertificate(one, digest)];
    } catch (error) {
      if (!(error instanceof StasisError)) throw error;
      context.logger.log('warn', 'a certificate of a drill cannot be read', { reason: error.message });
      return [];
    }
  });
}

function readCertificate({ digest, content, annotations }: AttachmentEntry, of: Digest): Certificate {
  const { payload } = parseEnvelope(content);
  const facts = parseStatement(Buffer.from(payload, 'base64'), of);
  return { digest, drillId: annotations[DRILL_ID] ?? '', text: Buffer.from(content).toString('utf8'), facts };
}

/** One certificate as a check with a key finds it. */
export interface CheckedCertificate {
  readonly digest: Digest;
  readonly signed: boolean;
  /** Of a signed one. */
  readonly facts?: DrillFacts;
  /** Why it does not count. */
  readonly problem?: string;
}

/** Which of a snapshot's certificates are signed by this key and say something of this snapshot, newest first. */
export async function checkCertificates(
  store: Store,
  digest: Digest,
  key: KeyObject,
): Promise<CheckedCertificate[]> {
  const attached = await store.attachments(digest, DRILL_ARTIFACT);
  return attached.map((one) => {
    try {
      const payload = openEnvelope(parseEnvelope(one.content), key);
      if (payload === undefined)
        return { digest: one.digest, signed: false, problem: 'It is not signed by this key.' };
      return { digest: one.digest, signed: true, facts: parseStatement(payload, digest) };
    } catch (error) {
      if (!(error instanceof StasisError)) throw error;
      return { digest: one.digest, signed: false, problem: error.message };
    }
  });
}

/** What a snapshot that should have been rehearsed lacks; undefined where a drill of late has passed. */
export async function drillProblem(
  store: Store,
  snapshot: { readonly reference: string; readonly digest: Digest },
  maxAgeMs: number,
  context: Context,
): Promise<StasisError | undefined> {
  const passed = (await certificatesOf(store, snapshot.digest, context)).filter(({ facts }) => facts.passed);
  const [newest] = passed;
  const hint = 'Drill it: a stasis_drill, or "stasis drill REF -f targets.yaml".';
  const problem = (code: string, message: string): StasisError =>
    new StasisError(code, message, { hint, at: ['maxDrillAge'], severity: 'warning' });
  if (newest === undefined)
    return problem('snapshot.never-drilled', `The snapshot ${snapshot.reference} has never passed a drill.`);
  const ageMs = context.clock.wallMs() - Date.parse(newest.facts.finishedAt);
  if (ageMs <= maxAgeMs) return undefined;
  return problem(
    'snapshot.drill-too-old',
    `The last drill that ${snapshot.reference} passed is ${formatAge(ageMs)} old.`,
  );
}
