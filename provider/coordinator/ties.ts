import type { Condition, Hold, HoldKind, MarkTie, Tie } from '../core/certificate.ts';
import type { EpochReading, HoldEvidence, MarkReading } from '../core/driver.ts';
import type { Asked } from './probes.ts';

/** What one cut observed of one member. */
export interface Observation {
  /** Readings of its epoch around the marks, in order of time. */
  readonly epochs: readonly EpochReading[];
  readonly marks: readonly MarkReading[];
  /** Where its clients were frozen before the first epoch, and it could tell: what it was still working on then. */
  readonly idle?: readonly Condition[];
  /** Where it was held: what showed that it was. */
  readonly held?: { readonly how: HoldKind; readonly evidence: HoldEvidence };
  /** What it answered while it ran on or was held, in order of time. */
  readonly asked?: readonly Asked[];
}

/**
 * The ties that follow from an observation. `copied` is the epoch that a capture without marks says it is of;
 * before the copy it is the last reading itself.
 */
export function tiesOf(observation: Observation, copied?: string): Tie[] {
  const ties: Tie[] = observation.marks.map(markTie);
  if (observation.held) ties.push(heldTie(observation.held.how, observation.held.evidence));
  ties.push(...stillTies(observation, copied));
  return ties;
}

function markTie(mark: MarkReading): MarkTie {
  return {
    tie: 'mark',
    sentNs: mark.sentNs,
    acknowledgedNs: mark.acknowledgedNs,
    act: mark.act,
    epoch: mark.epoch,
    conditions: mark.conditions ?? [],
  };
}

function heldTie(how: HoldKind, evidence: HoldEvidence): Hold {
  return {
    tie: 'hold',
    how,
    heldFromNs: evidence.readings[0]?.acknowledgedNs ?? 0,
    heldToNs: evidence.readings.at(-1)?.sentNs ?? 0,
    readings: evidence.readings,
    captured: evidence.captured,
    conditions: evidence.conditions,
  };
}

/** A hold by stillness, only where the readings show one: unequal or unprovable readings are no evidence. */
function stillTies(observation: Observation, copied: string | undefined): Hold[] {
  const [first] = observation.epochs;
  const last = observation.epochs.at(-1);
  if (first === undefined || last === undefined || first === last) return [];
  if (observation.epochs.some((epoch) => epoch.unprovable !== undefined || epoch.value !== first.value))
    return [];
  const captured = observation.marks.length > 0 ? observation.marks[0]?.epoch : (copied ?? last.value);
  if (captured !== first.value || observation.marks.some((mark) => mark.epoch !== captured)) return [];
  const { idle = [] } = observation;
  const drained = idle.length > 0 && idle.every(({ expected, observed }) => expected === observed);
  return [
    {
      tie: 'hold',
      how: drained ? 'drained' : 'still',
      heldFromNs: first.acknowledgedNs,
      heldToNs: last.sentNs,
      readings: observation.epochs.map(({ sentNs, acknowledgedNs, value }) => ({
        sentNs,
        acknowledgedNs,
        value,
      })),
      captured,
      conditions: drained ? idle : [],
    },
  ];
}
