import { expect, test } from '@jest/globals';
import type { Fingerprint } from '../../../provider/core/fingerprint.ts';
import { type TestContext, testContext } from '../../support/context.ts';
import type { DriverAdapter, System } from './adapter.ts';
import type { CutResult } from './cut.ts';
import {
  captureSharp,
  compared,
  host,
  leftOn,
  memberOf,
  restoreInto,
  stream,
  undisturbed,
} from './support.ts';

/** What was captured comes back, and what differs is named. */
export function testFidelity(adapter: DriverAdapter, system: () => System): void {
  const { driver, sessions, restless } = adapter;
  let taken: Promise<CutResult & { readonly context: TestContext }> | undefined;
  /** One capture for all that need no load, with what was told on the way. */
  const atRest = (): NonNullable<typeof taken> => {
    const context = testContext();
    taken ??= captureSharp(driver, system().spec, context).then((result) => ({ ...result, context }));
    return taken;
  };

  test('captured under load, restored, and captured again, it is the same', async () => {
    const { spec } = system();
    await using target = await system().emptyTarget();
    await using load = await system().load();
    const before = await load.operations();
    const captured = await captureSharp(driver, spec);
    expect(await undisturbed(system(), load)).toEqual([]);
    expect(await load.operations()).toBeGreaterThan(before);

    const member = memberOf(driver, spec, captured);
    const planned = await driver.planRestore(target.spec, host, member, testContext());
    expect(planned.problems.filter(({ severity }) => severity === 'error')).toEqual([]);
    expect(planned.empty).toBe(true);
    {
      await using held = await restoreInto(driver, target, { member, blobs: captured.blobs });
      expect(await compared(captured.fingerprint, held.fingerprint())).toMatchObject({
        differences: [],
        equal: captured.fingerprint.length,
      });
      await held.release();
    }
    expect(await target.faults()).toEqual([]);
    expect(await leftOn(target)).toEqual([]);
    const after = await driver.planRestore(target.spec, host, member, testContext());
    expect(after).toMatchObject({ empty: false, restoredBy: 'conformance-1' });

    const again = await captureSharp(driver, target.spec);
    // What runs has run on since then, so that it only has to be caught again.
    if (driver.traits.layers.includes('runtime')) return expect(again.sharp).toBe(true);
    expect(await compared(captured.fingerprint, stream(again.fingerprint))).toMatchObject({
      differences: [],
      equal: captured.fingerprint.length,
    });
  });

  test('one thing changed in the restored is named', async () => {
    await using target = await system().emptyTarget();
    const captured = await atRest();
    const from = { member: memberOf(driver, system().spec, captured), blobs: captured.blobs };
    await using held = await restoreInto(driver, target, from);
    const named = async (fingerprint: Fingerprint, object: string): Promise<number> => {
      const { differences, differenceCount } = await compared(captured.fingerprint, fingerprint);
      expect(differences.map((difference) => difference.object)).toContain(object);
      return differenceCount;
    };
    // What runs on by itself is changed before it runs: nothing else can differ then.
    const early = restless && (await target.mutate());
    if (early) expect(await named(held.fingerprint(), early)).toBe(1);
    await held.release();
    const object = early ?? (await target.mutate());
    await using observed = await driver.observe(target.spec, host, testContext());
    const differ = await named(observed.fingerprint(), object);
    if (!restless) expect(differ).toBeLessThanOrEqual(3);
  });

  test('a fingerprint names no object twice, and neither it nor the capture holds the secret', async () => {
    const { secret } = system();
    const { context, ...captured } = await atRest();
    const objects = captured.fingerprint.map(({ object }) => object);
    expect(new Set(objects).size).toBe(objects.length);
    expect([...objects].sort((a, b) => (a < b ? -1 : 1))).toEqual(objects);
    expect(captured.capture.sizeBytes).toBeGreaterThan(0);
    expect(captured.capture.summary).not.toBe('');
    if (!secret) return;
    const told = JSON.stringify([captured.capture, captured.fingerprint, context.lines, context.events]);
    expect(told).not.toContain(secret);
    for (const content of captured.blobs.contents.values()) expect(content.includes(secret)).toBe(false);
  });

  if (sessions.watch)
    test('two readings of what rests are of the same epoch', async () => {
      await using session = await driver.prepare(system().spec, host, testContext());
      const { signal } = new AbortController();
      const first = await session.watch!.epoch(signal);
      const second = await session.watch!.epoch(signal);
      expect(second.value).toBe(first.value);
      expect([first.unprovable, second.unprovable]).toEqual([undefined, undefined]);
      expect(first.acknowledgedNs).toBeGreaterThanOrEqual(first.sentNs);
      expect(second.sentNs).toBeGreaterThanOrEqual(first.acknowledgedNs);
    });
}
