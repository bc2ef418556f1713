import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { type TestContext, testContext } from '../../test/support/context.ts';
import { SimulatedSystem, simulatedDriver } from '../../test/support/simulated/driver.ts';
import type { Driver } from '../core/driver.ts';
import { StasisError, toStasisError } from '../core/errors.ts';
import type { SealedSnapshot, Store } from '../core/store.ts';
import { localHost } from '../hosts/local/host.ts';
import { ociLayout } from '../stores/oci-layout/type.ts';
import { capture } from './capture.ts';

/** Its host is gone by the time that its session ends. */
function stranded(system: SimulatedSystem, broken?: 'copy'): Driver {
  const plain = simulatedDriver({ system, mark: true, watch: true });
  return {
    ...plain,
    async prepare(spec, at, context) {
      const session = await plain.prepare(spec, at, context);
      session[Symbol.asyncDispose] = async () => {
        throw new StasisError('host.unreachable', 'cloud cannot be reached.');
      };
      if (broken)
        session.copy = async () => {
          throw new StasisError('simulated.broken', 'The copy broke.');
        };
      return session;
    },
  };
}

describe('a capture whose cleaning up fails', () => {
  let folder: string;
  let store: Store;
  let context: TestContext;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'stasis-capture-'));
    store = await ociLayout.open({ path: folder }, testContext());
    context = testContext();
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  const photograph = (driver: Driver): Promise<SealedSnapshot> => {
    const members = [{ name: 'a', driver, spec: driver.spec.parse({ place: 'here' }), host: localHost() }];
    const limits = { maxPauseMs: 2_000, maxBlurMs: 0 };
    return capture({ name: 'photo', owner: 'test', members, store, limits, createdBy: 'test' }, context);
  };

  test('after the snapshot was sealed has made one, and says so', async () => {
    const sealed = await photograph(stranded(new SimulatedSystem()));
    expect(await store.name('photo')).toMatchObject({ generations: [{ digest: sealed.digest }] });
    expect(context.events.filter(({ severity }) => severity === 'warning')).toEqual([
      {
        ...{ step: 'seal', severity: 'warning' },
        message:
          'The snapshot is whole, but what the capture has used could not be cleaned up: cloud cannot be reached.',
      },
    ]);
  });

  test('after it has failed has made none, and tells of both', async () => {
    const error = await photograph(stranded(new SimulatedSystem(), 'copy')).then(
      () => undefined,
      (thrown: unknown) => toStasisError(thrown),
    );
    expect(error).toMatchObject({ code: 'simulated.broken', details: { cleanUpCode: 'host.unreachable' } });
    expect(await store.name('photo')).toBeUndefined();
  });
});
