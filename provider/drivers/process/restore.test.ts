import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect } from '@jest/globals';
import { testContext } from '../../../test/support/context.ts';
import { type Lab, labOrReason } from '../../../test/support/lab.ts';
import { get, labHost, on, stateOf, TokenApplication, until } from '../../../test/support/process/rig.ts';
import { testUnless } from '../../../test/support/skipped.ts';
import { capture } from '../../coordinator/capture.ts';
import type { Member } from '../../coordinator/member.ts';
import { restore } from '../../coordinator/restore.ts';
import type { RestoreRequest } from '../../coordinator/restore-plan.ts';
import type { RestoreOptions } from '../../core/driver.ts';
import type { Host } from '../../core/host.ts';
import type { Store } from '../../core/store.ts';
import { ociLayout } from '../../stores/oci-layout/type.ts';
import { processDriver } from './driver.ts';

const here = await labOrReason();
const labTest = testUnless(here.reason);
const PATIENCE_MS = 240_000;
const LIMITS = { maxPauseMs: 5_000, maxBlurMs: 0 };

describe('processes with their memory and connections', () => {
  let lab: Lab;
  let folder: string;
  let store: Store;
  let cloud: Host & AsyncDisposable;
  let sovereign: Host & AsyncDisposable;
  let application: TokenApplication;

  beforeAll(async () => {
    if (here.reason !== undefined) return;
    folder = await mkdtemp(join(tmpdir(), 'stasis-process-'));
    store = await ociLayout.open({ path: join(folder, 'store') }, testContext());
    lab = await here.start();
    cloud = labHost(lab, 'cloud');
    sovereign = labHost(lab, 'sovereign');
    application = await TokenApplication.start(cloud);
  }, PATIENCE_MS);
  afterAll(async () => {
    await cloud?.[Symbol.asyncDispose]();
    await sovereign?.[Symbol.asyncDispose]();
    await lab?.[Symbol.asyncDispose]();
    if (folder) await rm(folder, { recursive: true, force: true });
  }, PATIENCE_MS);

  function member(name: string, host: Host, spec: object): Member {
    return { name, driver: processDriver, spec: processDriver.spec.parse(spec), host };
  }

  function members(host: Host, prefix: string): Member[] {
    return [
      member('tokens', host, { pidFile: `/run/${prefix}tokens.pid`, files: ['/srv/app/tokens'] }),
      member('redis', host, { pidFile: `/run/${prefix}redis.pid`, files: ['/srv/app/redis'] }),
    ];
  }

  const captureOf = (name: string) => ({
    ...{ name, owner: 'test', limits: LIMITS, createdBy: 'test' },
    members: members(cloud, ''),
    store,
  });

  /** The one network namespace of a restore on that host. */
  async function networkOn(host: Host): Promise<string> {
    return on(host, 'ls /run/netns | grep ^stasis-');
  }

  labTest(
    'go on where they were, on another host, with their tokens valid and their connection alive; so does the original',
    async () => {
      for (let index = 0; index < 50; index += 1) await application.issue(`token-${index}`);
      const before = await application.state();
      const sealed = await capture(captureOf('tokens'), testContext());
      expect(sealed.manifest).toMatchObject({ sharp: true, blurMs: 0 });
      expect(sealed.manifest.pauseMs).toBeLessThan(LIMITS.maxPauseMs);
      await until(async () => (await application.state()).confirmed > before.confirmed + 100);
      const original = await application.state();
      expect(original).toMatchObject({
        connections: 1,
        errors: 0,
        backwards: 0,
        tokens: 50,
        pid: before.pid,
      });

      await on(sovereign, 'rm -rf /srv/app && mkdir -p /opt/app');
      await on(sovereign, 'cat > /opt/app/unused < /dev/null');
      const snapshot = await store.open(sealed.name, sealed.digest, testContext());
      const request: RestoreRequest = {
        ...{ restoreId: 'elsewhere', overwrite: false, safetySnapshot: false, verify: 'identical' },
        ...{ expiry: 'absolute', createdBy: 'test', store, snapshot },
        members: members(sovereign, 'twin-'),
      };
      const result = await restore(request, testContext());
      expect(result.verdict).toBe('identical');

      const network = await networkOn(sovereign);
      const twin = await stateOf(sovereign, network);
      expect(twin).toMatchObject({ connections: 1, errors: 0, backwards: 0, tokens: 50, pid: before.pid });
      expect(await get(sovereign, network, '/check/token-7')).toBe('true');
      expect(await get(sovereign, network, '/check/never')).toBe('false');
      await until(async () => (await stateOf(sovereign, network)).confirmed > twin.confirmed + 100);
      expect(await stateOf(sovereign, network)).toMatchObject({ connections: 1, errors: 0, backwards: 0 });
      expect((await application.state()).errors).toBe(0);

      // A retry, as after lost state: what runs already is left alone.
      const again = await restore(request, testContext());
      expect(again).toMatchObject({ verdict: 'unverified', members: { tokens: { running: true } } });
      expect(await stateOf(sovereign, network)).toMatchObject({ connections: 1, errors: 0, pid: before.pid });
    },
    PATIENCE_MS,
  );

  /** What of a restore is on the host: groups, networks, folders, and processes of ours. */
  function leftOn(host: Host): Promise<string> {
    return on(
      host,
      'ls -d /sys/fs/cgroup/stasis-* /run/netns/stasis-* /var/lib/stasis/* /run/stasis/dump-* 2>/dev/null; pgrep -f "[s]tasis-restored" || true',
    );
  }

  labTest(
    'loaded and not released, they leave nothing; nor do those of a restore that died, once it is undone',
    async () => {
      const before = await leftOn(cloud);
      const sealed = await capture(captureOf('dropped'), testContext());
      const snapshot = await store.open(sealed.name, sealed.digest, testContext());
      const journal: unknown[] = [];
      const options: RestoreOptions = {
        ...{ restoreId: 'dropped', overwrite: false, cutAtMs: Date.now() },
        expiry: 'absolute',
        journal: async (entry: unknown) => void journal.push(JSON.parse(JSON.stringify(entry))),
      };
      const load = async (name: string) => {
        const target = processDriver.spec.parse({ pidFile: `/run/drop-${name}.pid` });
        const from = snapshot.manifest.members[name]!;
        return processDriver.restore(target, cloud, from, snapshot.blobs(name), options, testContext());
      };
      const dropped = await load('redis');
      expect(await leftOn(cloud)).not.toBe(before);
      await dropped[Symbol.asyncDispose]();
      await dropped[Symbol.asyncDispose]();
      expect(await leftOn(cloud)).toBe(before);

      await load('tokens');
      const spec = processDriver.spec.parse({ pidFile: '/run/drop-tokens.pid' });
      for (let twice = 0; twice < 2; twice += 1)
        for (const entry of journal) await processDriver.undo(spec, cloud, entry, testContext());
      expect(await leftOn(cloud)).toBe(before);
      expect((await application.state()).errors).toBe(0);
    },
    PATIENCE_MS,
  );
});
