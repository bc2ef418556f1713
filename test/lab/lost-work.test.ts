import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect } from '@jest/globals';
import { capture } from '../../provider/coordinator/capture.ts';
import { lostWork } from '../../provider/coordinator/lost-work.ts';
import type { Member } from '../../provider/coordinator/member.ts';
import type { Driver } from '../../provider/core/driver.ts';
import type { Store } from '../../provider/core/store.ts';
import { containerDriver } from '../../provider/drivers/container/driver.ts';
import { processDriver } from '../../provider/drivers/process/driver.ts';
import { ociLayout } from '../../provider/stores/oci-layout/type.ts';
import { ContainerApplication, makeImage } from '../support/container/rig.ts';
import { testContext } from '../support/context.ts';
import { labOrReason } from '../support/lab.ts';
import { httpProbe } from '../support/probes.ts';
import { on, TokenApplication } from '../support/process/rig.ts';
import { testUnless } from '../support/skipped.ts';
import { usedLab } from '../support/used-lab.ts';

const here = await labOrReason();
const labTest = testUnless(here.reason);
const PATIENCE_MS = 240_000;
const BEATS = { comparison: { jsonPath: '$.beats', within: 1_000_000 } };

describe('what an original in memory has done since the cut', () => {
  let folder: string;
  let store: Store;
  const lab = usedLab(here, async () => {
    folder = await mkdtemp(join(tmpdir(), 'stasis-lost-'));
    store = await ociLayout.open({ path: folder }, testContext());
  });
  afterAll(async () => {
    if (folder) await rm(folder, { recursive: true, force: true });
  });

  const subject = (driver: Driver, spec: object): Member => ({
    ...{ name: 'tokens', driver, spec: driver.spec.parse(spec), host: lab.cloud },
  });

  /** Photographs it with a counter of its own, has it go on until that has moved, and asks what was lost. */
  async function lostBy(
    original: Member,
    state: () => Promise<{ readonly beats: number }>,
    gone: () => Promise<unknown>,
  ): Promise<void> {
    const probes = [
      httpProbe('beats', 'tokens', { url: 'http://127.0.0.1:7070/state' }, BEATS),
      httpProbe('silent', 'tokens', { url: 'http://127.0.0.1:7071/state' }, BEATS),
    ];
    const sealed = await capture(
      {
        ...{ name: original.driver.name, owner: 'test', createdBy: 'test', members: [original], store },
        ...{ limits: { maxPauseMs: 20_000, maxBlurMs: 0 }, probes },
      },
      testContext(),
    );
    const snapshot = await store.open(sealed.name, sealed.digest, testContext());
    const before = await state();
    const found = await lostWork(snapshot, [original], testContext());
    const after = await state();
    const [lost] = Object.values(found);
    expect(lost).toMatchObject({ read: false, differenceCount: 0, changes: { beats: expect.any(Number) } });
    expect(lost!.changes.beats).toBeGreaterThan(0);
    expect(lost!.changes.beats).toBeLessThan(after.beats);
    expect(after.beats).toBeGreaterThan(before.beats);
    expect(Object.keys(lost!.changes)).toEqual(['beats']);

    await gone();
    const { tokens } = await lostWork(snapshot, [original], testContext());
    expect(tokens).toMatchObject({ read: false, changes: {} });
    expect(tokens!.message).toMatch(/Nor could it be asked: /);
  }

  labTest(
    'is told of a process by what it answers, which is not stopped for that',
    async () => {
      const application = await TokenApplication.start(lab.cloud);
      await lostBy(
        subject(processDriver, { pidFile: '/run/tokens.pid' }),
        () => application.state(),
        () => application.end(),
      );
    },
    PATIENCE_MS,
  );

  labTest(
    'is told of a pod likewise',
    async () => {
      await makeImage(lab.cloud);
      const application = await ContainerApplication.start(lab.cloud, 'pod');
      await lostBy(
        subject(containerDriver as Driver, { pod: 'shop' }),
        () => application.state(),
        () => on(lab.cloud, 'podman pod rm --force --time 0 shop > /dev/null'),
      );
    },
    PATIENCE_MS,
  );
});
