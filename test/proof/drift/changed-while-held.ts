import type { Member } from '../../../provider/coordinator/member.ts';

/**
 * The member with its real driver, of which what a restore has loaded is changed before it is compared: for what
 * would have changed by itself as soon as it ran.
 */
export function changedWhileHeld(member: Member, change: () => Promise<void>): Member {
  const { driver } = member;
  return {
    ...member,
    driver: {
      ...driver,
      restore: async (...parameters) => {
        const held = await driver.restore(...parameters);
        return {
          fingerprint: async function* () {
            await change();
            yield* held.fingerprint();
          },
          release: () => held.release(),
          [Symbol.asyncDispose]: () => held[Symbol.asyncDispose](),
        };
      },
    },
  };
}
