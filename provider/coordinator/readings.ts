import type { EpochReading, MarkReading } from '../core/driver.ts';
import { allSettledOrThrow } from './concurrently.ts';
import { atMember, type Participant } from './member.ts';

export async function readEpochs(
  participants: readonly Participant[],
  signal: AbortSignal,
): Promise<Map<string, EpochReading>> {
  const readings = await allSettledOrThrow(participants, signal, async ({ member, session }, own) => {
    const reading = await session.watch!.epoch(own).catch((error: unknown) => {
      throw atMember(member, error);
    });
    return [member.name, reading] as const;
  });
  return new Map(readings);
}

export async function takeMarks(
  participants: readonly Participant[],
  signal: AbortSignal,
): Promise<Map<string, readonly MarkReading[]>> {
  const marked = participants.filter(({ session }) => session.mark);
  const marks = await allSettledOrThrow(marked, signal, async ({ member, session }, own) => {
    const readings = await session.mark!.take(own).catch((error: unknown) => {
      throw atMember(member, error);
    });
    return [member.name, readings] as const;
  });
  return new Map(marks);
}
