import type { Certificate } from './certificate.ts';
import { faultOf, judge, longestPauseMs } from './judgement.ts';
import type { Manifest } from './manifest.ts';
import type { ProbeRecord } from './probe.ts';
import type { StoreFinding } from './store.ts';
import { formatMs, nsToMs } from './units.ts';

/** Something wrong with a snapshot: in its content, or between what its manifest says and its certificate proves. */
export interface VerifyFinding {
  readonly code: StoreFinding['code'] | 'certificate';
  /** Whom it concerns; empty when it concerns all. */
  readonly members: readonly string[];
  readonly message: string;
}

/** Clock readings are whole nanoseconds; sums of them in milliseconds may differ by the rounding of a double. */
const TOLERANCE_MS = 0.001;

/**
 * Judges the certificate again, from the stored manifest alone, and tells where the manifest claims something else:
 * the coordinator's word is not needed. Pure.
 */
export function rejudge(manifest: Manifest): readonly VerifyFinding[] {
  const { certificate, members } = manifest;
  const judged = judge(certificate);
  const findings: VerifyFinding[] = [];
  const differ = (message: string, concerned: readonly string[] = []): void => {
    findings.push({ code: 'certificate', members: concerned, message });
  };
  const word = (isSharp: boolean): string => (isSharp ? 'sharp' : 'not sharp');
  if (judged.sharp !== manifest.sharp)
    differ(`The manifest says ${word(manifest.sharp)}, its certificate proves ${word(judged.sharp)}.`);
  if (!close(judged.blurMs, manifest.blurMs))
    differ(
      `The manifest says blur ${formatMs(manifest.blurMs)}, its certificate proves ${blurText(judged.blurMs)}.`,
    );
  if (!close(longestPauseMs(certificate.pauses), manifest.pauseMs))
    differ(
      `The manifest says paused ${formatMs(manifest.pauseMs)}, its certificate ${formatMs(longestPauseMs(certificate.pauses))}.`,
    );
  if (
    judged.cutNs !== null &&
    !close(Date.parse(certificate.startedAt) + nsToMs(judged.cutNs), Date.parse(manifest.cutAt), 2)
  )
    differ('The manifest names another time of the cut than its certificate.');
  for (const member of Object.keys(members))
    if (certificate.members[member] === undefined)
      differ(`The certificate does not know the member "${member}".`, [member]);
  for (const member of Object.keys(certificate.members))
    if (members[member] === undefined)
      differ(`The certificate ties a member "${member}" that is not there.`, [member]);
  for (const [name, probe] of Object.entries(manifest.probes ?? {}))
    if (probe.tie === 'hold' && !askedWithinHold(probe, certificate))
      differ(
        `The probe "${name}" claims an answer of the cut, and was not asked within a hold of "${probe.member}".`,
        [probe.member],
      );
    else if (probe.tie === 'around' && !askedAround(probe, judged.cutNs))
      differ(
        `The probe "${name}" claims answers of "${probe.member}" from before and after the cut, and was asked at another time.`,
        [probe.member],
      );
  return findings;
}

/** Whether a member was asked and had answered while it provably did not change. */
export function askedWithinHold(
  { member, askedNs, answeredNs }: Pick<ProbeRecord, 'member' | 'askedNs' | 'answeredNs'>,
  { members }: Pick<Certificate, 'members'>,
): boolean {
  if (askedNs === undefined || answeredNs === undefined) return false;
  return (members[member] ?? []).some(
    (tie) =>
      tie.tie === 'hold' &&
      faultOf(tie) === undefined &&
      tie.heldFromNs <= askedNs &&
      askedNs <= answeredNs &&
      answeredNs <= tie.heldToNs,
  );
}

/** Whether it was asked for the first time before the cut, and answered for the second time after it. */
function askedAround(
  { askedNs, answeredNs }: Pick<ProbeRecord, 'askedNs' | 'answeredNs'>,
  cutNs: number | null,
): boolean {
  if (askedNs === undefined || answeredNs === undefined || cutNs === null) return false;
  return askedNs <= cutNs && cutNs <= answeredNs;
}

function close(proved: number | null, claimed: number, toleranceMs = TOLERANCE_MS): boolean {
  return proved !== null && Math.abs(proved - claimed) <= toleranceMs;
}

function blurText(blurMs: number | null): string {
  return blurMs === null ? 'no tie to time at all' : `blur ${formatMs(blurMs)}`;
}
