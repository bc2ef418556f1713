import { hash } from 'node:crypto';

/** How many steps the job has: at the demo's pace, more than an hour of them. */
export const JOB_STEPS = 1_000_000;

/** What a step makes of what the one before it made: whoever has done all of them knows whether one was left out. */
export function nextDigest(previous: string, step: number): string {
  return hash('sha256', `${previous} ${step}`, 'hex');
}

/** What the job has to have made after so many steps. */
export function digestAfter(steps: number): string {
  let digest = '';
  for (let step = 1; step <= steps; step += 1) digest = nextDigest(digest, step);
  return digest;
}
