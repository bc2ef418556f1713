import { StasisError } from '../core/errors.ts';
import type { Host } from '../core/host.ts';
import { runScript } from './machine.ts';

/**
 * What a target remembers of the restore that filled it has to name this one: another's member is not ours to change.
 * @param record the file on the host, JSON with `restoreId`
 * @returns the record
 * @throws StasisError `restore.filled-by-another`
 */
export async function insistOnFiller(
  record: string,
  restoreId: string,
  host: Host,
  signal: AbortSignal,
): Promise<unknown> {
  const remembered = await runScript(host, 'cat -- "$1" 2>/dev/null || true', [record], { signal });
  if (remembered.includes(`"restoreId":${JSON.stringify(restoreId)}`))
    return JSON.parse(remembered) as unknown;
  throw new StasisError(
    'restore.filled-by-another',
    `The target on ${host.name} was not filled by this restore, or no longer is.`,
    { hint: 'Change triggers to restore again.' },
  );
}
