import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
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
import { restore } from '../../coordinator/restore.ts';
import type { Host } from '../../core/host.ts';
import { ociLayout } from '../../stores/oci-layout/type.ts';
import { containerDriver } from './driver.ts';

const here = await labOrReason();
const labTest = testUnless(here.reason);
const PATIENCE_MS = 300_000;
const LEASE_MS = 5_000;
/** What a busy machine may add to the time after which everything has to run. */
const MARGIN_MS = 20_000;
const SUPPORT = join(import.meta.dirname, '../../../test/support/container');
const SPEC = { name: 'tokens' };

describe('what dies while containers are frozen or restored', () => {
  let lab: Lab;
  let folder: string;
  let cloud: Host & AsyncDisposable;
  let sovereign: Host & AsyncDisposable;
  let application: ContainerApplication;

  beforeAll(async () => {
    if (here.reason !== undefined) return;
    folder = await mkdtemp(join(tmpdir(), 'stasis-container-'));
    lab = await here.start();
    cloud = labHost(lab, 'cloud');
    sovereign = labHost(lab, 'sovereign');
    await makeImage(cloud);
    application = await ContainerApplication.start(cloud, 'network');
  }, PATIENCE_MS);
  afterAll(async () => {
    await cloud?.[Symbol.asyncDispose]();
    await sovereign?.[Symbol.asyncDispose]();
    await lab?.[Symbol.asyncDispose]();
    if (folder) await rm(folder, { recursive: true, force: true });
  }, PATIENCE_MS);

  function started(program: string, ...args: string[]): ChildProcess {
    return spawn(process.execPath, [join(SUPPORT, program), ...args], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, LEASE_MS: String(LEASE_MS) },
    });
  }

  function sshTo(name: keyof Lab['hosts']): string {
    return JSON.stringify({
      ...{ address: lab.hosts[name].address, user: 'root' },
      ...{ privateKeyFile: lab.keyFile, knownHostsFile: lab.knownHostsFile },
    });
  }

  async function childAt(step: string): Promise<ChildProcess> {
    const child = started('frozen-child.ts', JSON.stringify(SPEC), sshTo('cloud'), step);
    let said = '';
    for await (const chunk of child.stdout!) {
      said += String(chunk);
      if (said.includes('there')) return child;
    }
    throw new Error('the child ended before it was there');
  }

  /** Whether the service runs, by its own account, which a frozen one cannot give. */
  async function advances(): Promise<boolean> {
    const { confirmed } = await application.state();
    return (await application.state()).confirmed > confirmed;
  }

  for (const step of ['frozen', 'dumping', 'dumped'])
    labTest(
      `killed when it is ${step}, the container runs again within the lease, has lost nothing, and is captured by the next`,
      async () => {
        const before = await application.state();
        const child = await childAt(step);
        child.kill('SIGKILL');
        await once(child, 'exit');
        await until(advances, LEASE_MS + MARGIN_MS);
        expect(await application.state()).toMatchObject({
          ...{ connections: 1, errors: 0, backwards: 0, pid: before.pid },
        });
        const context = testContext();
        const session = await containerDriver.prepare(containerDriver.spec.parse(SPEC), cloud, context);
        await session.hold!.settle!(context.signal);
        await session.hold!.freeze(LEASE_MS, context.signal);
        await session.mark!.take(context.signal);
        const { conditions } = await session.hold!.evidence(context.signal);
        await session.hold!.thaw();
        await session[Symbol.asyncDispose]();
        expect(conditions.filter(({ expected, observed }) => expected !== observed)).toEqual([]);
        await until(advances);
      },
      PATIENCE_MS,
    );

  labTest(
    'thawed by somebody within the cut, it leaves no hold that counts',
    async () => {
      const context = testContext();
      const session = await containerDriver.prepare(containerDriver.spec.parse(SPEC), cloud, context);
      try {
        await session.hold!.settle!(context.signal);
        await session.hold!.freeze(20_000, context.signal);
        await on(
          cloud,
          'podman unpause tokens 2>/dev/null || for g in $(find /sys/fs/cgroup -name "libpod-*"); do echo 0 > $g/cgroup.freeze; done',
        );
        await until(advances);
        const { conditions, readings } = await session.hold!.evidence(context.signal);
        const broken = conditions.filter(({ expected, observed }) => expected !== observed);
        expect(broken.map(({ claim }) => claim)).toContain('tokens: the control group at look 2');
        expect(readings[0]!.value).not.toBe(readings[1]!.value);
      } finally {
        await session.hold!.thaw();
        await session[Symbol.asyncDispose]();
      }
    },
    PATIENCE_MS,
  );

  function leftOn(host: Host): Promise<string> {
    return on(
      host,
      'podman ps -aq; podman pod ps -q; podman volume ls -q; podman network ls -q --filter name=shopnet; podman images -aq; ls -A /var/lib/stasis /run/stasis 2>/dev/null | grep -E "^(container-|dump)" || true',
    );
  }

  labTest(
    'a restore that is killed at any step leaves nothing once the next has looked, which then succeeds',
    async () => {
      const path = join(folder, 'store');
      const store = await ociLayout.open({ path }, testContext());
      const member = (host: Host) => {
        const spec = containerDriver.spec.parse(SPEC);
        return { name: 'tokens', driver: containerDriver, spec, host };
      };
      const limits = { maxPauseMs: 8_000, maxBlurMs: 0 };
      const request = {
        name: 'dies',
        owner: 'test',
        limits,
        createdBy: 'test',
        members: [member(cloud)],
        store,
      };
      const sealed = await capture(request, testContext());
      const clean = await leftOn(sovereign);
      for (const step of ['journaled', 'restoring', 'loaded']) {
        const args = [
          path,
          sealed.name,
          sealed.digest,
          'tokens',
          JSON.stringify(SPEC),
          sshTo('sovereign'),
          step,
        ];
        const child = started('restoring-child.ts', ...args);
        const [, signal] = (await once(child, 'exit')) as [number | null, string | null];
        expect([step, signal]).toEqual([step, 'SIGKILL']);
        for (const key of await store.records.list('journal/')) {
          const { entries } = (await store.records.read(key)) as { entries: { entry: unknown }[] };
          for (const { entry } of entries)
            await containerDriver.undo(containerDriver.spec.parse(SPEC), sovereign, entry, testContext());
        }
        expect([step, await leftOn(sovereign)]).toEqual([step, clean]);
      }
      const snapshot = await store.open(sealed.name, sealed.digest, testContext());
      const result = await restore(
        {
          ...{ restoreId: 'lives', overwrite: false, safetySnapshot: false, verify: 'identical' },
          ...{ expiry: 'absolute', createdBy: 'test', store, snapshot, members: [member(sovereign)] },
        },
        testContext(),
      );
      expect(result.verdict).toBe('identical');
      // Its Redis is on the other host: that connection was reset, and the service has seen it.
      const twin = new ContainerApplication(sovereign, 'tokens');
      await until(async () => (await twin.state()).errors > 0);
    },
    PATIENCE_MS,
  );
});
