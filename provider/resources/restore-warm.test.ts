import { expect, test } from '@jest/globals';
import { simulatedDriver } from '../../test/support/simulated/driver.ts';
import { context, inputsOf, simulatedResources } from '../../test/support/simulated/resources.ts';
import type { Driver } from '../core/driver.ts';
import type { Values } from '../core/resource.ts';
import { sleep } from '../core/wait.ts';
import type { Warmth } from '../core/warmth.ts';

const rig = simulatedResources();

test('warms caches before the release where it is asked to; what stays cold is said and fails nothing', async () => {
  const plain = simulatedDriver({ system: rig.system, mark: true, watch: true });
  const calls: string[] = [];
  const warming = (warm: () => Promise<Warmth>): Driver => ({
    ...plain,
    restore: async (...all) => {
      const held = await plain.restore(...all);
      return {
        ...held,
        warm: () => {
          calls.push('warm');
          return warm();
        },
        release: () => {
          calls.push('release');
          return held.release();
        },
      };
    },
  });
  rig.system.state = 3;
  const photo = await rig.created();
  const reference = photo.outputs.reference as string;
  const restored = async (driver: Driver, trigger: string, more: Values): Promise<Values> => {
    rig.system.state = 0;
    const inputs = {
      snapshot: reference,
      members: { a: { simulated: { place: 'twin' } } },
      triggers: { trigger },
      ...more,
    };
    return (await rig.definitions({ driver }).Restore.apply({ inputs }, context)).outputs;
  };
  const warm = warming(async () => ({ hotBytes: 2_000, warmedBytes: 1_000, reason: 'No room.' }));
  expect((await restored(warm, 'a', {})).warmth).toEqual({});
  expect(calls.splice(0)).toEqual(['release']);
  expect((await restored(warm, 'b', { warm: true })).warmth).toEqual({
    a: {
      ...{ known: true, hotBytes: 2_000, warmedBytes: 1_000, warmMs: expect.any(Number) },
      message: '2.0 kB were hot at the cut, 1.0 kB were read back. No room.',
      samples: {},
    },
  });
  expect(calls.splice(0)).toEqual(['warm', 'release']);
  const broken = warming(async () => {
    throw new Error('no answer');
  });
  expect(await restored(broken, 'c', { warm: true })).toMatchObject({
    verdict: 'equivalent',
    warmth: { a: { known: false, warmedBytes: 0, message: 'It could not be warmed: no answer' } },
  });
  expect(calls).toEqual(['warm', 'release']);
  expect((await restored(plain, 'd', { warm: true })).warmth).toEqual({});
});

test('asks samples after the release only; whoever cancels that, or has a member that does not answer, has a restore', async () => {
  const plain = simulatedDriver({ system: rig.system, mark: true, watch: true });
  const calls: string[] = [];
  const asked = (ask: () => Promise<void>): Driver => ({
    ...plain,
    questions: { kinds: ['redis'] },
    restore: async (...all) => {
      const held = await plain.restore(...all);
      return { ...held, release: () => held.release().then(() => void calls.push('release')) };
    },
    ask: async (spec) => ({
      answer: async () => ({ rows: [] }),
      open: async () => ({
        ask: async () => {
          calls.push(`ask ${(spec as { place: string }).place}`);
          await ask();
        },
        idle: async () => {},
        [Symbol.asyncDispose]: async () => {},
      }),
    }),
  });
  rig.system.state = 3;
  const quick = asked(() => sleep(1));
  const samples = { mine: { member: 'a', redis: [['GET', 'a']], duration: '1s' } };
  const photo = await rig
    .definitions({ driver: quick })
    .Snapshot.apply({ inputs: inputsOf({ samples }) }, context);
  expect(new Set(calls.splice(0))).toEqual(new Set(['ask here']));
  const restored = async (driver: Driver, trigger: string, within: string, signal = context.signal) => {
    rig.system.state = 0;
    const inputs = {
      snapshot: photo.outputs.reference as string,
      members: { a: { simulated: { place: 'twin' } } },
      ...{ triggers: { trigger }, warmWithin: within },
    };
    const { outputs } = await rig.definitions({ driver }).Restore.apply({ inputs }, { ...context, signal });
    return outputs;
  };
  const warm = await restored(quick, 'a', '1m');
  expect(calls[0]).toBe('release');
  expect(new Set(calls.splice(0).slice(1))).toEqual(new Set(['ask twin']));
  expect(warm).toMatchObject({
    verdict: 'equivalent',
    warmth: { a: { samples: { mine: { requests: expect.any(Number) } } } },
  });

  const broken = asked(async () => {
    throw new Error('no answer');
  });
  expect(await restored(broken, 'b', '1s')).toMatchObject({
    verdict: 'equivalent',
    warmth: { a: { samples: { mine: { requests: 0, message: 'Not measured. no answer' } } } },
  });
  const canceller = new AbortController();
  const cancelling = asked(async () => canceller.abort());
  expect(await restored(cancelling, 'c', '1h', canceller.signal)).toMatchObject({
    ...{ verdict: 'equivalent', warmth: { a: { samples: { mine: { requests: expect.any(Number) } } } } },
  });
});
