import { describe, expect } from '@jest/globals';
import { testContext } from '../../test/support/context.ts';
import { labOrReason } from '../../test/support/lab.ts';
import { on, until } from '../../test/support/process/rig.ts';
import { type Sleeper, startSleeper } from '../../test/support/process/sleeper.ts';
import { testUnless } from '../../test/support/skipped.ts';
import { usedLab } from '../../test/support/used-lab.ts';
import { sleep } from '../core/wait.ts';
import { FrozenGroup, type GroupEvidence } from './frozen.ts';

const here = await labOrReason();
const labTest = testUnless(here.reason);
const PATIENCE_MS = 240_000;
const LEASE_MS = 5_000;
/** Longer than a watchdog is kept after what it was armed for runs again. */
const WATCHDOG_ENDS_MS = 1_000;
const { signal } = new AbortController();

describe('a group that is frozen under a watchdog', () => {
  let asleep: Sleeper;
  let opened = 0;

  const used = usedLab(here, async () => {
    asleep = await startSleeper(used.cloud);
  });

  function open(): Promise<FrozenGroup> {
    opened += 1;
    const { group, command } = asleep;
    return FrozenGroup.open(
      { group, folder: `/run/frozen-${opened}`, command },
      used.cloud,
      testContext().clock,
    );
  }
  const isFrozen = async (): Promise<boolean> =>
    (await on(used.cloud, 'cat "$1/cgroup.events"', asleep.group)).includes('frozen 1');
  const left = (): Promise<string> =>
    on(
      used.cloud,
      'pgrep -x criu; pgrep -f "[s]tasis-lease"; pgrep -f "[s]tasis-dump"; ls -d /run/frozen-*/* || true',
    );

  const folders = (): Promise<string> => on(used.cloud, 'ls -d /run/frozen-*/* 2> /dev/null || true');

  async function holdAndDump(frozen: FrozenGroup, heldMs = 0): Promise<GroupEvidence> {
    await frozen.freeze(LEASE_MS, signal);
    await frozen.look();
    await frozen.dump(signal);
    await sleep(heldMs);
    return frozen.thawWithEvidence();
  }
  const broken = ({ conditions }: GroupEvidence): unknown[] =>
    conditions.filter(({ expected, observed }) => expected !== observed);

  labTest(
    'is dumped although a watchdog has taken the folder of the dump that waits, before the freeze or before the next try',
    async () => {
      const frozen = await open();
      await frozen.settle(signal, 300);
      await until(async () => (await folders()) === '');
      expect(broken(await holdAndDump(frozen))).toEqual([]);
      expect(await isFrozen()).toBe(false);

      await frozen.settle(signal, 300);
      await until(async () => (await folders()) === '');
      await frozen.settle(signal, LEASE_MS);
      expect(broken(await holdAndDump(frozen))).toEqual([]);
      await frozen[Symbol.asyncDispose]();
      expect(await left()).toBe('');
    },
    PATIENCE_MS,
  );

  labTest(
    'frozen again at once, it stands under a watchdog of its own until it is let go',
    async () => {
      const frozen = await open();
      await frozen.settle(signal, LEASE_MS);
      await frozen.freeze(LEASE_MS, signal);
      expect(broken(await frozen.thawWithEvidence())).toEqual([]);
      expect(broken(await holdAndDump(frozen, WATCHDOG_ENDS_MS))).toEqual([]);
      await frozen[Symbol.asyncDispose]();
      expect(await left()).toBe('');
    },
    PATIENCE_MS,
  );

  labTest(
    'goes on by its watchdog at the end of the capture where what froze it has gone',
    async () => {
      const frozen = await open();
      await frozen.settle(signal, 600_000);
      await frozen.freeze(600_000, signal);
      await on(used.cloud, `for p in $(pgrep -f '[s]tasis-freezer'); do kill -9 "$p"; done`);
      expect(await isFrozen()).toBe(true);
      await expect(frozen[Symbol.asyncDispose]()).rejects.toMatchObject({ code: 'runtime.freezer-gone' });
      expect(await isFrozen()).toBe(false);
      expect(await left()).toBe('');
    },
    PATIENCE_MS,
  );

  labTest(
    'refused in the middle, while CRIU waits for its word: it goes on, and nothing stays',
    async () => {
      const frozen = await open();
      await frozen.settle(signal, LEASE_MS);
      await until(async () => (await on(used.cloud, 'pgrep -x criu || true')) !== '');
      await frozen.freeze(LEASE_MS, signal);
      expect(await isFrozen()).toBe(true);
      await frozen[Symbol.asyncDispose]();
      expect(await isFrozen()).toBe(false);
      expect(await left()).toBe('');
    },
    PATIENCE_MS,
  );
});
