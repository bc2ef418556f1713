import type {
  Certificate,
  Condition,
  Finding,
  Hold,
  Judgement,
  MarkTie,
  Pause,
  Reading,
  Smear,
  Tie,
} from './certificate.ts';
import { nsToMs } from './units.ts';

/**
 * Judges a certificate. Pure, and without trust in whoever wrote it: a tie whose evidence does not stand is left
 * out and named.
 *
 * Sharp exactly when nothing is smeared, all holds share an instant, and at most one mark (marks of one act count
 * once) is not covered by a hold of the same member, that mark lying wholly inside all holds. Otherwise the blur
 * is the shortest interval that touches every hold and covers every uncovered mark and every smear.
 */
export function judge(certificate: Certificate): Judgement {
  const findings: Finding[] = [];
  const holds: Hold[] = [];
  const marks: MarkTie[] = [];
  const smears: Smear[] = [];
  let untied = Object.keys(certificate.members).length === 0;

  for (const [member, ties] of Object.entries(certificate.members)) {
    const valid = ties.filter((tie) => stands(member, tie, findings));
    if (valid.length === 0) {
      untied = true;
      findings.push({ member, message: 'nothing ties its captured state to time' });
      continue;
    }
    const held = valid.filter((tie) => tie.tie === 'hold');
    holds.push(...held);
    marks.push(...valid.filter((tie) => tie.tie === 'mark').filter((mark) => !covered(mark, held)));
    smears.push(...valid.filter((tie) => tie.tie === 'smear'));
  }
  if (untied) return { sharp: false, blurMs: null, cutNs: null, findings };

  const shared = intersection(holds);
  const acts = mergeActs(marks);
  const instant = smears.length === 0 ? sharpInstant(shared, acts) : undefined;
  if (instant !== undefined) return { sharp: true, blurMs: 0, cutNs: instant, findings };

  findings.push(...reasons(certificate, shared, acts, smears));
  const [fromNs, toNs] = blurInterval(shared, [...acts, ...smears.map(spanOfSmear)]);
  return { sharp: false, blurMs: nsToMs(toNs - fromNs), cutNs: fromNs + (toNs - fromNs) / 2, findings };
}

/** A stretch of the coordinator's clock. */
export interface Span {
  readonly fromNs: number;
  readonly toNs: number;
}

/** Whether a tie counts; says why where it does not. */
function stands(member: string, tie: Tie, findings: Finding[]): boolean {
  const fault = faultOf(tie);
  if (fault === undefined) return true;
  findings.push({
    member,
    message: `its ${tie.tie === 'hold' ? `hold (${tie.how})` : tie.tie} does not count: ${fault}`,
  });
  return false;
}

/** Why a tie does not count, for people; undefined where its evidence stands. */
export function faultOf(tie: Tie): string | undefined {
  switch (tie.tie) {
    case 'hold':
      return faultOfHold(tie);
    case 'mark':
      return faultOfMark(tie);
    case 'smear':
      return faultOfSmear(tie);
  }
}

function faultOfHold(hold: Hold): string | undefined {
  if (!ordered(hold.heldFromNs, hold.heldToNs)) return 'it ends before it begins';
  const first = hold.readings[0];
  const last = hold.readings.at(-1);
  if (first === undefined || last === undefined || hold.readings.length < 2)
    return 'it lacks a reading at both ends';
  const faulty = faultOfReadings(hold.readings);
  if (faulty !== undefined) return faulty;
  if (hold.heldFromNs < first.acknowledgedNs) return 'it claims time before its first reading was answered';
  if (hold.heldToNs > last.sentNs) return 'it claims time after its last reading was asked for';
  if (hold.readings.some((reading) => reading.value !== first.value)) return 'its readings differ';
  if (hold.captured !== first.value) return 'what was captured is of another state than the one held';
  return faultOfConditions(hold.conditions);
}

function faultOfReadings(readings: readonly Reading[]): string | undefined {
  for (const [index, reading] of readings.entries()) {
    if (reading.value === '') return 'a reading is empty';
    if (!ordered(reading.sentNs, reading.acknowledgedNs))
      return 'a reading was answered before it was asked for';
    const previous = readings[index - 1];
    if (previous !== undefined && !ordered(previous.acknowledgedNs, reading.sentNs))
      return 'its readings overlap';
  }
  return undefined;
}

function faultOfMark(mark: MarkTie): string | undefined {
  if (!ordered(mark.sentNs, mark.acknowledgedNs)) return 'it was acknowledged before it was asked for';
  return faultOfConditions(mark.conditions);
}

function faultOfSmear(smear: Smear): string | undefined {
  return ordered(smear.fromNs, smear.toNs) ? undefined : 'it ends before it begins';
}

function faultOfConditions(conditions: readonly Condition[]): string | undefined {
  const broken = conditions.find((condition) => condition.expected !== condition.observed);
  return broken && `${broken.claim}: expected ${broken.expected}, observed ${broken.observed}`;
}

/** False as well when either is no finite, non-negative time. */
function ordered(fromNs: number, toNs: number): boolean {
  return Number.isFinite(fromNs) && Number.isFinite(toNs) && fromNs >= 0 && fromNs <= toNs;
}

/** A mark whose state is the one that a hold of the same member shows adds no condition of its own. */
export function covered(mark: MarkTie, holds: readonly Hold[]): boolean {
  return mark.epoch !== undefined && holds.some((hold) => hold.captured === mark.epoch);
}

/** The time that all holds whose evidence stands have in common; undefined where there is none. */
export function sharedHold(certificate: Certificate): Span | undefined {
  const ties = Object.values(certificate.members).flat();
  const holds = ties.filter((tie): tie is Hold => tie.tie === 'hold' && faultOf(tie) === undefined);
  const shared = intersection(holds);
  return holds.length > 0 && shared.fromNs <= shared.toNs ? shared : undefined;
}

function intersection(holds: readonly Hold[]): Span {
  return {
    fromNs: Math.max(Number.NEGATIVE_INFINITY, ...holds.map((hold) => hold.heldFromNs)),
    toNs: Math.min(Number.POSITIVE_INFINITY, ...holds.map((hold) => hold.heldToNs)),
  };
}

/** Marks of one act are one instant, which lies where all their intervals say it does. */
function mergeActs(marks: readonly MarkTie[]): Span[] {
  const acts = new Map<string, Span>();
  for (const mark of marks) {
    const known = acts.get(mark.act);
    acts.set(mark.act, {
      fromNs: Math.min(known?.fromNs ?? Number.POSITIVE_INFINITY, mark.sentNs),
      toNs: Math.max(known?.toNs ?? Number.NEGATIVE_INFINITY, mark.acknowledgedNs),
    });
  }
  return [...acts.values()];
}

function sharpInstant(shared: Span, acts: readonly Span[]): number | undefined {
  if (shared.fromNs > shared.toNs || acts.length > 1) return undefined;
  const [act] = acts;
  if (act === undefined) return middle(shared);
  return act.fromNs >= shared.fromNs && act.toNs <= shared.toNs ? middle(act) : undefined;
}

function middle(span: Span): number {
  return span.fromNs + (span.toNs - span.fromNs) / 2;
}

function spanOfSmear(smear: Smear): Span {
  return { fromNs: smear.fromNs, toNs: smear.toNs };
}

/** `shared` holds the latest start and the earliest end of all holds, whether or not they meet. */
function blurInterval(shared: Span, spans: readonly Span[]): [number, number] {
  const fromNs = Math.min(shared.toNs, ...spans.map((span) => span.fromNs));
  const toNs = Math.max(shared.fromNs, ...spans.map((span) => span.toNs));
  if (fromNs <= toNs) return [fromNs, toNs];
  return [toNs, toNs];
}

function reasons(
  certificate: Certificate,
  shared: Span,
  acts: readonly Span[],
  smears: readonly Smear[],
): Finding[] {
  const found: Finding[] = [];
  for (const [member, ties] of Object.entries(certificate.members))
    for (const tie of ties)
      if (tie.tie === 'smear' && smears.includes(tie))
        found.push({ member, message: `smeared: ${tie.reason}` });
  if (shared.fromNs > shared.toNs) found.push({ member: '', message: 'the holds share no instant' });
  if (acts.length > 1)
    found.push({ member: '', message: `${acts.length} marks are covered by no hold of their member` });
  const [act] = acts;
  if (acts.length === 1 && act && (act.fromNs < shared.fromNs || act.toNs > shared.toNs))
    found.push({ member: '', message: 'the one mark without a hold does not lie wholly inside the holds' });
  return found;
}

/** How long the longest-paused member was paused. */
export function longestPauseMs(pauses: readonly Pause[]): number {
  return Math.max(0, ...pauses.map(({ fromNs, toNs }) => nsToMs(toNs - fromNs)));
}
