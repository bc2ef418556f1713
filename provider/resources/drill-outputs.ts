import { z } from 'zod';
import type { DrillResult } from '../coordinator/drill.ts';
import type { LostWork } from '../coordinator/lost-work.ts';
import { warmthsOf } from '../coordinator/warm.ts';
import type { Digest } from '../core/digest.ts';
import type { DrillFacts } from '../core/drill-certificate.ts';
import type { Values } from '../core/resource.ts';
import { roundMs } from '../core/units.ts';
import { comparedOutputs, lostWorkOutputs, probesOf, RESTORE_OUTPUTS } from './restore-outputs.ts';
import { WARMTH_OUTPUT, warmthOutputs } from './restore-warmth.ts';

export const DRILL_OUTPUTS = z.object({
  reference: z.string().describe('Exactly the snapshot that was rehearsed: name@sha256:….'),
  verdict: RESTORE_OUTPUTS.shape.verdict,
  passed: z.boolean().describe('Whether the verdict is at least what verify asks for.'),
  drilledAt: z.string().describe('When it ended, ISO 8601.'),
  restoreMs: z
    .number()
    .describe(
      'How long a restore of it takes, in milliseconds: until all was loaded, compared and, if asked for, warmed, without the release.',
    ),
  teardownMs: z.number().describe('How long it took to take everything down again, in milliseconds.'),
  differences: RESTORE_OUTPUTS.shape.differences,
  results: RESTORE_OUTPUTS.shape.results,
  probeResults: RESTORE_OUTPUTS.shape.probeResults,
  warmth: WARMTH_OUTPUT,
  lostWork: RESTORE_OUTPUTS.shape.lostWork.describe(
    'What each original that was named had done since the cut when the drill ended: what a switch at that time would have lost or done twice.',
  ),
  lostWorkDifferences: RESTORE_OUTPUTS.shape.lostWorkDifferences,
  certificate: z.string().describe('The certificate: an in-toto statement in a DSSE envelope, as JSON.'),
  certificateDigest: z
    .string()
    .describe('The digest of the OCI artifact with the certificate, which refers to the snapshot.'),
  keyId: z.string().describe('Who signed it: the SHA-256 of the public key (SubjectPublicKeyInfo).'),
});

export function drillOutputs(
  facts: DrillFacts,
  result: DrillResult,
  lostWork: Readonly<Record<string, LostWork>>,
  left: { readonly digest: Digest; readonly text: string; readonly keyId: string },
): Values {
  return {
    reference: facts.reference,
    ...comparedOutputs(result),
    passed: facts.passed,
    drilledAt: facts.finishedAt,
    restoreMs: roundMs(facts.restoreMs),
    teardownMs: roundMs(facts.teardownMs),
    probeResults: probesOf(result),
    ...warmthOutputs(warmthsOf(result.members), result.measured),
    ...lostWorkOutputs(lostWork),
    certificate: left.text,
    certificateDigest: left.digest,
    keyId: left.keyId,
  };
}
