import { formatBytes } from './units.ts';

/** What a driver has brought back into a member's caches before its release. */
export interface Warmth {
  /** What lay in its caches at the cut, in bytes; undefined where the snapshot does not know. */
  readonly hotBytes?: number | undefined;
  readonly warmedBytes: number;
  /** Why it is less than all that was hot, for people: a sentence. */
  readonly reason?: string;
}

/** For people. */
export function warmthSentence({ hotBytes, warmedBytes, reason }: Warmth): string {
  if (hotBytes === undefined) return reason ?? 'What was hot is not known.';
  const back = `${formatBytes(hotBytes)} were hot at the cut, ${formatBytes(warmedBytes)} were read back.`;
  return reason === undefined ? back : `${back} ${reason}`;
}
