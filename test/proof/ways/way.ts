import type { Application } from '../application.ts';
import type { Sabotage } from '../sabotaged.ts';

export type MemberName = 'a' | 'b' | 'redis' | 'folder';

/** One way to break a hold or mark for real while the coordinator believes in it. */
export interface Way<App = Application, Name extends string = MemberName> {
  readonly name: string;
  /** The members of the application that is captured. */
  readonly members: readonly Name[];
  /** Who is sabotaged, and how; made anew for each capture. */
  sabotage(application: App): Promise<Partial<Record<Name, Sabotage>>>;
  /** Undoes what would spoil the next way. */
  cleanUp?(application: App): Promise<void>;
}

export const SECOND_NS = 1e9;

/** A counter for names and values: every sabotaging write differs from the one before. */
let serial = 0;
export function next(): number {
  serial += 1;
  return serial;
}

/** A reading as it would be by another clock. */
export function shifted<T extends { readonly sentNs: number; readonly acknowledgedNs: number }>(
  reading: T,
  byNs: number,
): T {
  return { ...reading, sentNs: reading.sentNs + byNs, acknowledgedNs: reading.acknowledgedNs + byNs };
}
