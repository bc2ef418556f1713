import type { HoldEvidence } from '../../../provider/core/driver.ts';
import type { Application } from '../application.ts';
import { type MemberName, SECOND_NS, shifted, type Way } from './way.ts';

/** What a hold that stands by its evidence may be said to have shown, and did not. */
const LIES: Readonly<Record<string, (evidence: HoldEvidence) => HoldEvidence>> = {
  'both of its clock readings are shifted by a second': (evidence) => ({
    ...evidence,
    readings: evidence.readings.map((reading) => shifted(reading, SECOND_NS)),
  }),
  'its last reading says it was answered before it was asked for': (evidence) => ({
    ...evidence,
    readings: evidence.readings.map((reading, index) =>
      index === 0 ? reading : { ...reading, acknowledgedNs: reading.sentNs - 1 },
    ),
  }),
  'its first reading was acknowledged late, after the last was sent': (evidence) => ({
    ...evidence,
    readings: evidence.readings.map((reading, index) =>
      index === 0 ? { ...reading, acknowledgedNs: reading.acknowledgedNs + SECOND_NS } : reading,
    ),
  }),
  'its last reading is missing': (evidence) => ({ ...evidence, readings: evidence.readings.slice(0, 1) }),
  'what was captured is of another state': (evidence) => ({ ...evidence, captured: `${evidence.captured}x` }),
  'a condition is not as it should be': (evidence) => ({
    ...evidence,
    conditions: [...evidence.conditions, { claim: 'what it stands under', expected: '1', observed: '2' }],
  }),
  'its readings are out of order': (evidence) => ({
    ...evidence,
    readings: evidence.readings.toReversed(),
  }),
};

/** The evidence of this member's hold, told otherwise than it was. */
export function evidenceWays<Name extends string = MemberName, App = Application>(
  member: Name,
  members: readonly Name[],
): Way<App, Name>[] {
  return Object.entries(LIES).map(([lie, evidence]) => ({
    name: `${member}: ${lie}`,
    members,
    sabotage: async () =>
      ({ [member]: { evidence } }) as Partial<Record<Name, { evidence: typeof evidence }>>,
  }));
}
