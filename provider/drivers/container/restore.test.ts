import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect } from '@jest/globals';
import { ContainerApplication, makeImage } from '../../../test/support/container/rig.ts';
import { testContext } from '../../../test/support/context.ts';
import { type Lab, labOrReason } from '../../../test/support/lab.ts';
import { labHost, on, until } from '../../../test/support/process/rig.ts';
import { testUnless } from '../../../test/support/skipped.ts';
import { capture } from '../../coordinator/capture.ts';
import type { Member } from '../../coordinator/member.ts';
import { restore } from '../../coordinator/restore.ts';
import type { RestoreRequest } from '../../coordinator/restore-plan.ts';
import type { Hold } from '../../core/certificate.ts';
import type { Host } from '../../core/host.ts';
import { judge } from '../../core/judgement.ts';
import { parseReference } from '../../core/reference.ts';
import type { Store } from '../../core/store.ts';
import { ociLayout } from '../../stores/oci-layout/type.ts';
import { containerDriver } from './driver.ts';

const here = await labOrReason();
const labTest = testUnless(here.reason);
const PATIENCE_MS = 600_000;
const LIMITS = { maxPauseMs: 8_000, maxBlurMs: 0 };

describe('containers with their memory, volumes and connections', () => {
  let lab: Lab;
  let folder: string;
  let store: Store;
  let cloud: Host & AsyncDisposable;
  let sovereign: Host & AsyncDisposable;

  beforeAll(async () => {
    if (here.reason !== undefined) return;
    folder = await mkdtemp(join(tmpdir(), 'stasis-container-'));
    store = await ociLayout.open({ path: join(folder, 'store') }, testContext());
    lab = await here.start();
    cloud = labHost(lab, 'cloud');
    sovereign = labHost(lab, 'sovereign');
    await makeImage(cloud);
  }, PATIENCE_MS);
  afterAll(async () => {
    await cloud?.[Symbol.asyncDispose]();
    await sovereign?.[Symbol.asyncDispose]();
    await lab?.[Symbol.asyncDispose]();
    if (folder) await rm(folder, { recursive: true, force: true });
  }, PATIENCE_MS);

  function member(name: string, host: Host, spec: object): Member {
    return { name, driver: containerDriver, spec: containerDriver.spec.parse(spec), host };
  }

  async function photographed(name: string, members: readonly Member[]) {
    const request = { name, owner: 'test', limits: LIMITS, createdBy: 'test', members, store };
    const sealed = await capture(request, testContext());
    return store.open(sealed.name, sealed.digest, testContext());
  }

  function requestOf(
    restoreId: string,
    snapshot: RestoreRequest['snapshot'],
    members: readonly Member[],
  ): RestoreRequest {
    return {
      ...{ restoreId, overwrite: false, safetySnapshot: false, verify: 'identical', expiry: 'absolute' },
      ...{ createdBy: 'test', store, snapshot, members },
    };
  }

  /** All that podman and we have there, but for images that were there before. */
  function leftOn(host: Host): Promise<string> {
    return on(
      host,
      'podman ps -aq; podman pod ps -q; podman volume ls -q; podman network ls -q --filter name=shopnet; podman images -aq; ls -A /var/lib/stasis /run/stasis 2>/dev/null | grep -E "^(container-|dump)" || true',
    );
  }

  labTest(
    'two containers of a network go on where they were on another host, with tokens valid and their connection alive',
    async () => {
      const application = await ContainerApplication.start(cloud, 'network');
      for (let index = 0; index < 50; index += 1) await application.get(`/issue/token-${index}`);
      const before = await application.state();
      const members = (host: Host): Member[] =>
        ['tokens', 'redis'].map((name) => member(name, host, { name }));
      const snapshot = await photographed('two', members(cloud));
      const { manifest } = snapshot;
      expect(manifest).toMatchObject({ sharp: true, blurMs: 0 });
      const holds = Object.values(manifest.certificate.members).flatMap((ties) => ties as readonly Hold[]);
      expect(holds.map(({ how }) => how)).toEqual(['frozen', 'frozen']);
      console.log(`paused for ${manifest.pauseMs.toFixed(0)} ms, ${manifest.sizeBytes} bytes`);
      // What the environment holds is in the snapshot, and not in its manifest.
      expect(JSON.stringify(manifest)).not.toContain('sesame');

      await until(async () => (await application.state()).confirmed > before.confirmed + 100);
      expect(await application.state()).toMatchObject({
        connections: 1,
        errors: 0,
        backwards: 0,
        tokens: 50,
      });

      const result = await restore(requestOf('elsewhere', snapshot, members(sovereign)), testContext());
      expect(result.members.tokens?.differences).toEqual([]);
      expect(result.verdict).toBe('identical');
      const twin = new ContainerApplication(sovereign, 'tokens');
      const state = await twin.state();
      expect(state).toMatchObject({ connections: 1, errors: 0, backwards: 0, tokens: 50, pid: before.pid });
      expect(await twin.get('/check/token-7')).toBe('true');
      expect(await twin.get('/check/never')).toBe('false');
      await until(async () => (await twin.state()).confirmed > state.confirmed + 100);
      expect(await twin.state()).toMatchObject({ connections: 1, errors: 0, backwards: 0 });
      // The volume, the container's own files and what it has removed of its image.
      expect(
        await on(
          sovereign,
          'podman exec tokens cat /opt/old/new /etc/changed; podman exec tokens ls /opt/old; podman volume inspect lines --format "{{.Labels}}"; test "$(podman exec tokens cat /data/lines | wc -l)" -gt 10',
        ),
      ).toBe('new\nchanged\nnew\nmap[purpose:test]');
      expect((await application.state()).errors).toBe(0);

      // A retry, as after lost state: what runs already is left alone.
      const again = await restore(requestOf('elsewhere', snapshot, members(sovereign)), testContext());
      expect(again).toMatchObject({ verdict: 'unverified', members: { tokens: { running: true } } });
      await expect(
        restore(requestOf('another', snapshot, members(sovereign)), testContext()),
      ).rejects.toMatchObject({ code: 'restore.target-not-empty' });

      // What is there is replaced only where that is said, and can be had back.
      await twin.get('/issue/after-the-cut');
      const replaced = await restore(
        { ...requestOf('replaces', snapshot, members(sovereign)), overwrite: true, safetySnapshot: true },
        testContext(),
      );
      expect(replaced.verdict).toBe('identical');
      expect(replaced.safetyReference).toBeDefined();
      expect(await twin.get('/check/after-the-cut')).toBe('false');
      expect(await twin.get('/check/token-7')).toBe('true');
      expect(await twin.state()).toMatchObject({ connections: 1, errors: 0, backwards: 0, tokens: 50 });

      const { name: safe, digest } = parseReference(replaced.safetyReference!);
      const replacedOnes = await store.open(safe, digest!, testContext());
      const back = await restore(
        { ...requestOf('back', replacedOnes, members(sovereign)), overwrite: true },
        testContext(),
      );
      expect(back.verdict).toBe('identical');
      expect(await twin.get('/check/after-the-cut')).toBe('true');

      const [name, tie] = ['tokens', holds[0]!] as const;
      const torn: Hold = {
        ...tie,
        readings: [tie.readings[0]!, { ...tie.readings[1]!, value: 'it ran' }],
      };
      const { certificate } = manifest;
      expect(judge({ ...certificate, members: { ...certificate.members, [name]: [torn] } }).sharp).toBe(
        false,
      );
    },
    PATIENCE_MS,
  );

  labTest(
    'a pod goes on with the connection between its containers, and leaves nothing where it was not released',
    async () => {
      const application = await ContainerApplication.start(cloud, 'pod');
      await application.get('/issue/token-1');
      const before = await application.state();
      const snapshot = await photographed('pod', [member('shop', cloud, { pod: 'shop' })]);
      expect(snapshot.manifest.sharp).toBe(true);
      const clean = await leftOn(sovereign);
      const target = [member('shop', sovereign, { pod: 'twin' })];
      const held = await containerDriver.restore(
        containerDriver.spec.parse({ pod: 'twin' }),
        sovereign,
        snapshot.manifest.members.shop!,
        snapshot.blobs('shop'),
        {
          ...{ restoreId: 'dropped', overwrite: false, expiry: 'absolute', cutAtMs: Date.now() },
          journal: async () => {},
        },
        testContext(),
      );
      expect(await leftOn(sovereign)).not.toBe(clean);
      await held[Symbol.asyncDispose]();
      expect(await leftOn(sovereign)).toBe(clean);

      const result = await restore(requestOf('pod', snapshot, target), testContext());
      expect(result.members.shop?.differences).toEqual([]);
      expect(result.verdict).toBe('identical');
      const twin = new ContainerApplication(sovereign, 'pod-tokens');
      const state = await twin.state();
      expect(state).toMatchObject({ connections: 1, errors: 0, backwards: 0, tokens: 1, pid: before.pid });
      await until(async () => (await twin.state()).confirmed > state.confirmed + 50);
      expect(await twin.state()).toMatchObject({ connections: 1, errors: 0 });
    },
    PATIENCE_MS,
  );
});
