import type { Drift, Twin } from '../drift.ts';

/** A restored folder. */
export interface FilesTwin extends Twin {
  /** Where it is, and what lies in it. */
  at(...names: string[]): string;
}

/** A change by a system call or a program. */
export function byHand(
  name: string,
  objects: readonly string[],
  change: (twin: FilesTwin) => unknown,
  more: Pick<Drift, 'unseen' | 'harmless'> = {},
): Drift<FilesTwin> {
  return {
    ...{ name, objects, ...more },
    change: async (twin) => {
      await change(twin);
    },
  };
}
