import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect } from '@jest/globals';
import { stepsOf, takeSteps } from '../../../test/conformance/driver/protocol.ts';
import { testContext } from '../../../test/support/context.ts';
import { type Lab, labOrReason } from '../../../test/support/lab.ts';
import { labHost, on, until } from '../../../test/support/process/rig.ts';
import { testUnless } from '../../../test/support/skipped.ts';
import { CountingVm, makeGuest, residueIn } from '../../../test/support/vm/rig.ts';
import { capture } from '../../coordinator/capture.ts';
import type { Member } from '../../coordinator/member.ts';
import { restore } from '../../coordinator/restore.ts';
import type { Hold } from '../../core/certificate.ts';
import type { HoldEvidence } from '../../core/driver.ts';
import type { Host } from '../../core/host.ts';
import { judge } from '../../core/judgement.ts';
import type { Store } from '../../core/store.ts';
import { ociLayout } from '../../stores/oci-layout/type.ts';
import { vmDriver } from './driver.ts';

const here = await labOrReason();
const labTest = testUnless(here.reason);
const PATIENCE_MS = 240_000;
const LIMITS = { maxPauseMs: 8_000, maxBlurMs: 0 };
/** What a dirty bitmap has a bit for. */
const CLUSTER_BYTES = 65_536;

describe('a cut of a VM', () => {
  let lab: Lab;
  let folder: string;
  let store: Store;
  let cloud: Host & AsyncDisposable;
  let sovereign: Host & AsyncDisposable;
  let vm: CountingVm;

  beforeAll(async () => {
    if (here.reason !== undefined) return;
    folder = await mkdtemp(join(tmpdir(), 'stasis-vm-'));
    store = await ociLayout.open({ path: join(folder, 'store') }, testContext());
    lab = await here.start();
    cloud = labHost(lab, 'cloud');
    sovereign = labHost(lab, 'sovereign');
    await makeGuest(cloud);
    const more = ['-qmp', 'unix:/srv/vm/other.sock,server=on,wait=off'];
    vm = await CountingVm.start(cloud, '/srv/vm', { format: 'raw', more });
  }, PATIENCE_MS);
  afterAll(async () => {
    await cloud?.[Symbol.asyncDispose]();
    await sovereign?.[Symbol.asyncDispose]();
    await lab?.[Symbol.asyncDispose]();
    if (folder) await rm(folder, { recursive: true, force: true });
  }, PATIENCE_MS);

  const memberOf = (host: Host, spec: object): Member => ({
    ...{ name: 'machine', driver: vmDriver, host },
    spec: vmDriver.spec.parse(spec),
  });

  /** Says these commands at the VM's other socket. */
  const say = (...commands: string[]): Promise<string> =>
    on(
      cloud,
      '{ echo \'{"execute":"qmp_capabilities"}\'; for c; do printf \'{"execute":"%s"}\\n\' "$c"; done; sleep 0.5; } | socat -t 2 - UNIX-CONNECT:/srv/vm/other.sock',
      ...commands,
    );

  async function evidenceOf(
    sabotage: () => Promise<unknown>,
    after: 'freeze' | 'mark',
  ): Promise<HoldEvidence> {
    const context = testContext();
    await using session = await vmDriver.prepare(vmDriver.spec.parse({ qmp: vm.qmp }), cloud, context);
    await session.hold!.settle!(context.signal);
    await session.hold!.freeze(60_000, context.signal);
    if (after === 'freeze') await sabotage();
    await session.mark!.take(context.signal);
    if (after === 'mark') await sabotage();
    return await session.hold!.evidence(context.signal);
  }

  function isSharp(evidence: HoldEvidence): boolean {
    const { readings } = evidence;
    const hold: Hold = {
      ...{ tie: 'hold', how: 'frozen', ...evidence },
      heldFromNs: readings[0]!.acknowledgedNs,
      heldToNs: readings.at(-1)!.sentNs,
    };
    const startedAt = new Date(0).toISOString();
    return judge({ formatVersion: 1, startedAt, members: { machine: [hold] }, pauses: [] }).sharp;
  }

  labTest(
    'is sharp when nobody lets it run, and is not when somebody does, if only for a moment, before or after the mark',
    async () => {
      expect(isSharp(await evidenceOf(async () => {}, 'freeze'))).toBe(true);
      for (const after of ['freeze', 'mark'] as const)
        for (const commands of [['cont'], ['cont', 'stop']]) {
          const evidence = await evidenceOf(() => say(...commands), after);
          expect({ after, commands, sharp: isSharp(evidence) }).toEqual({ after, commands, sharp: false });
        }
      await vm.untilCounts();
      expect(await residueIn(vm)).toBe('');
    },
    PATIENCE_MS,
  );

  labTest(
    'leaves nothing after any step, and the VM counts on',
    async () => {
      for (const step of ['prepare', 'settle', 'freeze', 'mark', 'evidence', 'thaw', 'second mark']) {
        const steps = stepsOf({ watch: false, hold: true, mark: 'held' });
        const taken = steps.slice(0, steps.findIndex(({ name }) => name === step) + 1);
        const context = testContext();
        {
          // Disposed of twice, which has to be no more than once.
          await using session = await vmDriver.prepare(vmDriver.spec.parse({ qmp: vm.qmp }), cloud, context);
          await takeSteps(session, taken, context);
          await session[Symbol.asyncDispose]();
        }
        expect({ step, left: await residueIn(vm) }).toEqual({ step, left: '' });
      }
      await vm.untilCounts();
      expect((await vm.said()).filter((line) => line.startsWith('TORN'))).toEqual([]);
    },
    PATIENCE_MS,
  );

  labTest(
    'is read whole once, and then only where it was written; without memory it boots from the disk of that instant',
    async () => {
      const request = {
        ...{ name: 'machine', owner: 'test', limits: LIMITS, createdBy: 'test', store },
        members: [memberOf(cloud, { qmp: vm.qmp, memory: false })],
      };
      const copied = (context: ReturnType<typeof testContext>) =>
        context.lines.find(({ message }) => message === 'a disk was copied')?.fields;
      const first = testContext();
      const before = await vm.count();
      await capture(request, first);
      expect(copied(first)).toMatchObject({ whole: true, readBytes: 64 * 1024 * 1024 });

      const second = testContext();
      const sealed = await capture(request, second);
      const beats = (await vm.count()) - before;
      const { whole, readBytes } = copied(second) as { whole: boolean; readBytes: number };
      expect(whole).toBe(false);
      expect(readBytes).toBeGreaterThan(0);
      expect(readBytes).toBeLessThanOrEqual((beats + 4) * CLUSTER_BYTES);
      expect(await residueIn(vm)).toBe('');
      expect(sealed.manifest.members.machine!.coverage).toMatchObject({
        layers: ['compute', 'data'],
        outside: expect.arrayContaining([expect.objectContaining({ code: 'vm.memory' })]),
      });

      const result = await restore(
        {
          ...{ restoreId: 'cold', overwrite: false, safetySnapshot: false, verify: 'identical' },
          ...{ expiry: 'absolute', createdBy: 'test', store },
          snapshot: await store.open(sealed.name, sealed.digest, testContext()),
          members: [memberOf(sovereign, { qmp: '/run/cold/qmp.sock', folder: '/srv/cold' })],
        },
        testContext(),
      );
      expect(result.verdict).toBe('identical');
      const said = (): Promise<string> => on(sovereign, 'cat /srv/cold/*/serial');
      await until(async () => /TICK \d+\s+TICK/.test(await said()), 90_000);
      const [, boot] = /BOOT (\d+)/.exec(await said()) ?? [];
      const [, tick] = /TICK (\d+)/.exec(await said()) ?? [];
      expect(Number(boot)).toBeGreaterThan(before);
      expect(Number(boot)).toBeLessThanOrEqual(before + beats);
      expect(Number(tick)).toBe(Number(boot) + 1);
    },
    PATIENCE_MS,
  );
});
