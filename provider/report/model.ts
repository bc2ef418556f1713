import type { Judgement, Tie } from '../core/certificate.ts';
import { covered, faultOf, judge, longestPauseMs, type Span, sharedHold } from '../core/judgement.ts';
import type { Manifest } from '../core/manifest.ts';
import { outcomeOfProbe, probeMessage } from '../core/probe.ts';
import { formatReference } from '../core/reference.ts';
import { sampleSentence } from '../core/sample.ts';
import type { GenerationEntry, Pin, SealedSnapshot } from '../core/store.ts';
import { NS_PER_MS } from '../core/units.ts';
import { rejudge } from '../core/verification.ts';
import type {
  Report,
  ReportGeneration,
  ReportMember,
  ReportOutcome,
  ReportProbe,
  ReportSample,
  ReportTie,
  RestoredProbes,
} from './schema.ts';

/** What a report is made of. */
export interface ReportSources {
  readonly snapshot: SealedSnapshot;
  /** Where it lives. */
  readonly store: string;
  /** Of the same name; in any order. The one reported on is among them unless it was removed meanwhile. */
  readonly generations: readonly ListedGeneration[];
  readonly pins: readonly Pin[];
  readonly outcome?: ReportOutcome;
  /** What became of the probes in what was restored. */
  readonly restoredProbes?: RestoredProbes;
}

export interface ListedGeneration {
  readonly entry: GenerationEntry;
  /** Absent when it cannot be read. */
  readonly manifest?: Manifest;
}

/** The facts of a report. Pure; what is judged is judged here, from the certificate. */
export function makeReport(sources: ReportSources): Report {
  const { snapshot, store, generations, pins, outcome } = sources;
  const { manifest, name, digest, generation } = snapshot;
  return {
    formatVersion: 1,
    reference: formatReference({ name, digest }),
    ...{ name, digest, generation },
    cutAt: manifest.cutAt,
    startedAt: manifest.certificate.startedAt,
    createdBy: manifest.createdBy,
    store,
    sizeBytes: manifest.sizeBytes,
    storedBytes: manifest.storedBytes,
    newBytes: manifest.newBytes,
    judgement: judgementOf(manifest),
    members: membersOf(manifest),
    probes: probesOf(manifest, sources.restoredProbes),
    samples: samplesOf(manifest),
    generations: generations
      .toSorted((a, b) => b.entry.generation - a.entry.generation)
      .map((listed) => generationOf(listed, pins)),
    outcome: outcome ?? null,
  };
}

function probesOf({ probes = {} }: Manifest, restored: RestoredProbes = {}): ReportProbe[] {
  return Object.entries(probes).map(([name, record]) => ({
    ...{ name, member: record.member, kind: record.question.kind },
    ...{ outcome: outcomeOfProbe(record), message: probeMessage(record) },
    restored: Object.hasOwn(restored, name) ? restored[name]! : null,
  }));
}

function samplesOf({ samples = {} }: Manifest): ReportSample[] {
  return Object.entries(samples).map(([name, { member, kind, before, error }]) => ({
    ...{ name, member, kind },
    before: before ? { ...before, hitRate: before.hitRate ?? null } : null,
    message: sampleSentence({ before, error }),
  }));
}

function judgementOf(manifest: Manifest): Report['judgement'] {
  const { certificate } = manifest;
  const judged = judge(certificate);
  return {
    sharp: judged.sharp,
    blurMs: judged.blurMs,
    cutNs: judged.cutNs,
    blur: blurOf(judged) ?? null,
    sharedHold: sharedHold(certificate) ?? null,
    pauseMs: longestPauseMs(certificate.pauses),
    findings: judged.findings.map(({ member, message }) => ({ member, message })),
    contradictions: rejudge(manifest).map(({ members, message }) => ({ members: [...members], message })),
  };
}

function blurOf({ sharp, blurMs, cutNs }: Judgement): Span | undefined {
  if (sharp || blurMs === null || cutNs === null) return undefined;
  const halfNs = (blurMs * NS_PER_MS) / 2;
  return { fromNs: cutNs - halfNs, toNs: cutNs + halfNs };
}

/** Those of the snapshot, and those that only its certificate knows. */
function membersOf({ certificate, members }: Manifest): ReportMember[] {
  const names = new Set([...Object.keys(members), ...Object.keys(certificate.members)]);
  return [...names].map((name) => ({
    name,
    captured: capturedOf(members[name]),
    ties: tiesOf(certificate.members[name] ?? []),
    pauses: certificate.pauses
      .filter((pause) => pause.member === name)
      .map(({ fromNs, toNs }) => ({ fromNs, toNs })),
  }));
}

function capturedOf(member: Manifest['members'][string] | undefined): ReportMember['captured'] {
  if (member === undefined) return null;
  const { driver, endpoint, system, summary, sizeBytes, fidelity, coverage, fingerprint } = member;
  return {
    ...{ driver, endpoint, summary, sizeBytes, fidelity },
    system: { ...system },
    layers: [...coverage.layers],
    outside: coverage.outside.map(({ code, message }) => ({ code, message })),
    objects: fingerprint.entries,
  };
}

function tiesOf(ties: readonly Tie[]): ReportTie[] {
  const holds = ties.filter((tie) => tie.tie === 'hold').filter((hold) => faultOf(hold) === undefined);
  return ties.map((tie) => {
    const own = { ...structuredClone(tie), fault: faultOf(tie) ?? null };
    return own.tie === 'mark' ? { ...own, covered: covered(own, holds) } : own;
  }) as ReportTie[];
}

function generationOf({ entry, manifest }: ListedGeneration, pins: readonly Pin[]): ReportGeneration {
  const { generation, digest, cutAt } = entry;
  return {
    ...{ generation, digest, cutAt },
    pins: pins.filter((pin) => pin.digest === digest).map(({ by }) => by),
    content: manifest === undefined ? null : contentOf(manifest),
  };
}

function contentOf({ certificate, sizeBytes, storedBytes, newBytes }: Manifest): ReportGeneration['content'] {
  const { sharp, blurMs } = judge(certificate);
  return { sharp, blurMs, pauseMs: longestPauseMs(certificate.pauses), sizeBytes, storedBytes, newBytes };
}
