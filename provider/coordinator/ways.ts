import type { HoldKind } from '../core/certificate.ts';
import type { Participant } from './member.ts';

/** Which members are held in a try; the others run on. */
export interface Way {
  readonly holding: readonly Participant[];
}

/**
 * From the gentlest to the firmest: only those held that have to be (nobody, where there is no such member), then
 * those that can be locked as well, then all that can be held at all. Each once.
 */
export function waysOf(participants: readonly Participant[]): Way[] {
  const rungs = [
    participants.filter(hasToBeHeld),
    participants.filter((one) => hasToBeHeld(one) || holdsBy(one, 'locked')),
    participants.filter(({ session }) => session.hold),
  ];
  return rungs
    .filter((holding, index) => index === 0 || holding.length > rungs[index - 1]!.length)
    .map((holding) => ({ holding }));
}

/** What runs changes its memory all the time; and what shows neither epochs nor marks cannot be caught otherwise. */
function hasToBeHeld({ member, session }: Participant): boolean {
  if (!session.hold) return false;
  return member.driver.traits.layers.includes('runtime') || (!session.watch && !session.mark);
}

export function holdsBy({ session }: Participant, how: HoldKind): boolean {
  return session.hold?.how === how;
}

/** Members of which only a mark shows what they were: more than one of them that run on cannot be sharp. */
export function blindAmong(participants: readonly Participant[], { holding }: Way): Participant[] {
  return participants.filter((one) => !one.session.watch && !holding.includes(one));
}
