import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, test } from '@jest/globals';
import type { Spawned } from '../../core/host.ts';
import { localHost } from './host.ts';

const never = () => new AbortController().signal;

/** The process group of a process; undefined when it runs no more. */
async function groupOf(pid: number | string): Promise<number | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  // After the program's name, which is in brackets: state, parent, group, …
  const [state, , group] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return stat === '' || state === 'Z' ? undefined : Number(group);
}

/** A shell that waits for another program; the pids of both. */
async function startShell(signal: AbortSignal): Promise<{ spawned: Spawned; pids: string[] }> {
  const spawned = await localHost().spawn(['sh', '-c', 'sleep 60 & echo $$ $!; wait'], { signal });
  for await (const chunk of spawned.stdout)
    return { spawned, pids: Buffer.from(chunk).toString().trim().split(' ') };
  throw new Error('the shell said nothing');
}

describe('a command on this machine', () => {
  test('does not get the Ctrl-C that a terminal sends to our process group', async () => {
    const { spawned, pids } = await startShell(never());
    const own = await groupOf(process.pid);
    const groups = await Promise.all(pids.map(groupOf));
    spawned.kill();
    await spawned.ended;
    expect(groups).toEqual([Number(pids[0]), Number(pids[0])]);
    expect(groups).not.toContain(own);
  });

  test.each(['ended', 'aborted'])('that is %s ends with all that it has started', async (how) => {
    const controller = new AbortController();
    const { spawned, pids } = await startShell(controller.signal);
    if (how === 'ended') spawned.kill();
    else controller.abort();
    await spawned.ended;
    for (let tries = 0; tries < 100 && (await groupOf(pids[1]!)) !== undefined; tries += 1) await delay(20);
    expect(await Promise.all(pids.map(groupOf))).toEqual([undefined, undefined]);
  });
});
