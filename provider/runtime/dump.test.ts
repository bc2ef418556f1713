import { describe, expect } from '@jest/globals';
import { labOrReason } from '../../test/support/lab.ts';
import { on, until } from '../../test/support/process/rig.ts';
import { type Sleeper, startSleeper } from '../../test/support/process/sleeper.ts';
import { testUnless } from '../../test/support/skipped.ts';
import { usedLab } from '../../test/support/used-lab.ts';
import { Dump } from './dump.ts';

const here = await labOrReason();
const labTest = testUnless(here.reason);
const PATIENCE_MS = 240_000;
/** The shells that wait for the word, on this host alone. */
const KILL_WAITING = `for p in $(pgrep -f '[s]tasis-dump'); do kill -9 "$p"; done; rm -rf /run/orphan`;
const { signal } = new AbortController();

describe('a dump that waits for its word', () => {
  let asleep: Sleeper;

  const used = usedLab(here, async () => {
    asleep = await startSleeper(used.cloud);
  });

  async function ready(folder: string): Promise<Dump> {
    await on(used.cloud, 'mkdir -m 700 "$1"', folder);
    return Dump.ready(folder, await asleep.command(folder), used.cloud);
  }
  const criu = (): Promise<string> => on(used.cloud, 'pgrep -x criu || true');
  const images = (folder: string): Promise<string> => on(used.cloud, 'ls "$1" | grep img || true', folder);
  const sleeper = (): Promise<string> => on(used.cloud, 'kill -0 "$1" && echo lives', String(asleep.pid));

  labTest(
    'has started by then, has touched nothing, and dumps once the word comes',
    async () => {
      const dump = await ready('/run/told');
      await until(async () => (await criu()) !== '');
      expect(await images('/run/told')).toBe('');
      // Whoever waits for a dump that is under way has nothing to wait for.
      expect(await on(used.cloud, 'ls /run/told')).not.toContain('criu.pid');
      await dump.run(signal);
      expect(await images('/run/told')).toContain('core-');
      expect(await on(used.cloud, 'ls /run/told')).toContain('criu.pid');
      expect([await sleeper(), await criu()]).toEqual(['lives', '']);
    },
    PATIENCE_MS,
  );

  labTest(
    'ends without it, whatever else ends first: nothing is dumped, and nothing stays',
    async () => {
      const undone = await ready('/run/undone');
      await until(async () => (await criu()) !== '');
      await undone.end();
      expect([await images('/run/undone'), await sleeper(), await criu()]).toEqual(['', 'lives', '']);

      const orphan = await ready('/run/orphan');
      await until(async () => (await criu()) !== '');
      await on(used.cloud, KILL_WAITING);
      await until(async () => (await criu()) === '');
      await orphan.end();
      expect(await sleeper()).toBe('lives');
    },
    PATIENCE_MS,
  );
});
