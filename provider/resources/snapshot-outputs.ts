import { z } from 'zod';
import type { Manifest } from '../core/manifest.ts';
import { formatReference } from '../core/reference.ts';
import type { Values } from '../core/resource.ts';
import type { SealedSnapshot } from '../core/store.ts';
import { roundMs } from '../core/units.ts';
import { PROBE_OUTPUT, probeOutputs } from './probes.ts';
import { SAMPLE_OUTPUT, sampleOutputs } from './samples.ts';

const coverage = z
  .object({
    member: z.string().describe('The member.'),
    layers: z.array(z.string()).describe('Its layers in the snapshot: compute, runtime, data.'),
    outside: z.array(z.string()).describe('What is known to be outside the snapshot, one sentence each.'),
  })
  .meta({ typeName: 'Coverage' });

const memberOutputs = z
  .object({
    driver: z.string().describe('The driver that captured it.'),
    endpoint: z.string().describe('Where it was, without user, password and options.'),
    sizeBytes: z.number().int().describe('Bytes of its captured state.'),
    summary: z.string().describe('What was captured, for people.'),
  })
  .meta({ typeName: 'CapturedMember' });

/** The outputs of a Snapshot, and of everything that looks one up. */
export const SNAPSHOT_OUTPUTS = z.object({
  reference: z.string().describe('Exactly this snapshot: name@sha256:….'),
  digest: z.string().describe('The digest of its manifest.'),
  generation: z.number().int().describe('Its number among the snapshots of this name, from 1.'),
  cutAt: z.string().describe('Wall-clock time of the cut, ISO 8601; for people, no part of the proof.'),
  sharp: z.boolean().describe('Whether one instant fits all members.'),
  blurMs: z
    .number()
    .describe('0 when sharp; else the least interval, in milliseconds, within which all of it lies.'),
  pauseMs: z.number().describe('How long the longest-paused member was paused, in milliseconds.'),
  sizeBytes: z.number().int().describe('Bytes of the captured state.'),
  storedBytes: z.number().int().describe('Bytes in the store that this snapshot needs.'),
  newBytes: z.number().int().describe('Bytes that it added to the store.'),
  certificate: z
    .string()
    .describe('The proof that the cut exists, as JSON: every hold, mark and smear with its evidence.'),
  coverage: z
    .array(coverage)
    .describe('What is in the snapshot, and what is known to be outside it, by member.'),
  probeResults: z
    .record(z.string(), PROBE_OUTPUT)
    .describe('What became of each probe at the cut, by its name.'),
  sampleResults: z
    .record(z.string(), SAMPLE_OUTPUT)
    .describe('How quickly each sample was answered before the cut, by its name.'),
});

/** The same with what was captured of each member; of a look-up, whose inputs do not name the members. */
export const FOUND_OUTPUTS = SNAPSHOT_OUTPUTS.extend({
  members: z.record(z.string(), memberOutputs).describe('What was captured, by member.'),
});

export function snapshotOutputs(snapshot: SealedSnapshot): Values {
  const { name, digest, generation, manifest } = snapshot;
  return {
    reference: formatReference({ name, digest }),
    digest,
    generation,
    cutAt: manifest.cutAt,
    sharp: manifest.sharp,
    blurMs: roundMs(manifest.blurMs),
    pauseMs: roundMs(manifest.pauseMs),
    sizeBytes: manifest.sizeBytes,
    storedBytes: manifest.storedBytes,
    newBytes: manifest.newBytes,
    certificate: JSON.stringify(manifest.certificate),
    coverage: coverageOf(manifest),
    probeResults: probeOutputs(manifest),
    sampleResults: sampleOutputs(manifest),
  };
}

export function foundOutputs(snapshot: SealedSnapshot): Values {
  const members = Object.entries(snapshot.manifest.members).map(([name, member]) => {
    const { driver, endpoint, sizeBytes, summary } = member;
    return [name, { driver, endpoint, sizeBytes, summary }];
  });
  return { ...snapshotOutputs(snapshot), members: Object.fromEntries(members) };
}

function coverageOf(manifest: Manifest): Values[] {
  return Object.entries(manifest.members).map(([member, capture]) => ({
    member,
    layers: [...capture.coverage.layers],
    outside: capture.coverage.outside.map(({ message }) => message),
  }));
}
