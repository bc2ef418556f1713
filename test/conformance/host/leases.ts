import { expect } from '@jest/globals';
import type { TemporaryFolder } from '../../../provider/core/host.ts';
import { sleep } from '../../../provider/core/wait.ts';
import type { testUnless } from '../../support/skipped.ts';
import { eventually, holder, never } from './support.ts';
import type { HostUnderTest } from './under-test.ts';

const LONG_TTL_MS = 60_000;

export function leaseTests(test: ReturnType<typeof testUnless>, here: () => HostUnderTest): void {
  const there = async (path: string): Promise<boolean> => {
    const { status } = await here().host.run(['test', '-e', path], { signal: never(), timeoutMs: 30_000 });
    return status === 0;
  };
  const inFolder = async (work: (folder: TemporaryFolder, file: string) => Promise<void>): Promise<void> => {
    await using folder = await here().host.temporaryFolder({ signal: never() });
    await work(folder, `${folder.path}/rescued`);
  };
  const lease = (file: string, ttlMs: number) =>
    here().host.lease(['touch', file], ttlMs, { signal: never() });
  const watchdogs = async (file: string): Promise<string[]> =>
    (await here().processList()).filter((line) => line.includes('stasis-lease') && line.includes(file));

  test('a lease that is disarmed does nothing, and its watchdog is gone', () =>
    inFolder(async (_folder, file) => {
      const held = await lease(file, 1_000);
      expect(held.state).toBe('armed');
      expect((await watchdogs(file)).length).toBeGreaterThan(0);
      expect(await held.disarm()).toBe('disarmed');
      expect(await held.disarm()).toBe('disarmed');
      await sleep(1_500);
      expect(await there(file)).toBe(false);
      await eventually(async () => expect(await watchdogs(file)).toEqual([]));
    }));

  test('disarmed by two at once, it answers both', () =>
    inFolder(async (_folder, file) => {
      const held = await lease(file, LONG_TTL_MS);
      // One who is not answered waits for five seconds, and then takes it for disarmed by the other.
      const soon = sleep(4_000).then(() => 'not answered');
      const both = Promise.all([held.disarm(), held.disarm()]);
      expect(await Promise.race([both, soon])).toEqual(['disarmed', 'disarmed']);
      expect(await there(file)).toBe(false);
    }));

  test('it fires at the deadline, and says so', () =>
    inFolder(async (_folder, file) => {
      const held = await lease(file, 500);
      await eventually(async () => expect(await there(file)).toBe(true));
      await eventually(async () => expect(held.state).toBe('fired'));
      await expect(held.renew()).rejects.toMatchObject({ code: 'host.lease-over' });
      expect(await held.disarm()).toBe('fired');
      await eventually(async () => expect(await watchdogs(file)).toEqual([]));
    }));

  test('it fires when it is told to, and its watchdog is gone', () =>
    inFolder(async (_folder, file) => {
      const held = await lease(file, LONG_TTL_MS);
      await held.fire();
      expect(await there(file)).toBe(true);
      expect(held.state).toBe('fired');
      await held.fire();
      expect(await held.disarm()).toBe('fired');
      await eventually(async () => expect(await watchdogs(file)).toEqual([]));
    }));

  test('it does not fire while it is renewed', () =>
    inFolder(async (_folder, file) => {
      await using held = await lease(file, 3_000);
      for (let time = 0; time < 8; time += 1) {
        await sleep(600);
        await held.renew();
      }
      expect(held.state).toBe('armed');
      expect(await there(file)).toBe(false);
    }));

  test('a rescue that fails is tried again', () =>
    inFolder(async (folder, file) => {
      const script = `echo try >> ${folder.path}/tries; [ "$(wc -l < ${folder.path}/tries)" -ge 4 ] && touch ${file}`;
      const held = await here().host.lease(['sh', '-c', script], 200, { signal: never() });
      await eventually(async () => expect(await there(file)).toBe(true));
      expect(await held.disarm()).toBe('fired');
    }));

  test(
    'it fires at once when its holder is killed with -9',
    () =>
      inFolder(async (_folder, file) => {
        const child = await holder(here(), 'lease', [file, String(LONG_TTL_MS)]);
        await sleep(500);
        expect(await there(file)).toBe(false);
        child.kill('SIGKILL');
        await eventually(async () => expect(await there(file)).toBe(true), LONG_TTL_MS / 3);
        await eventually(async () => expect(await watchdogs(file)).toEqual([]));
      }),
    120_000,
  );

  test(
    'it fires at the deadline when its holder is stopped',
    () =>
      inFolder(async (_folder, file) => {
        const child = await holder(here(), 'lease', [file, '3000']);
        child.kill('SIGSTOP');
        await eventually(async () => expect(await there(file)).toBe(true));
        child.kill('SIGKILL');
      }),
    120_000,
  );

  test('an answer is waited for before anything is held', async () => {
    const controller = new AbortController();
    controller.abort();
    await expect(here().host.lease(['true'], 1_000, { signal: controller.signal })).rejects.toMatchObject({
      code: 'cancelled',
    });
  });
}
