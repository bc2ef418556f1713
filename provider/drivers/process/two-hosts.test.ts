import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect } from '@jest/globals';
import { testContext } from '../../../test/support/context.ts';
import { type Lab, labOrReason } from '../../../test/support/lab.ts';
import { labHost, TokenApplication, until } from '../../../test/support/process/rig.ts';
import { testUnless } from '../../../test/support/skipped.ts';
import { capture } from '../../coordinator/capture.ts';
import type { Member } from '../../coordinator/member.ts';
import type { Hold } from '../../core/certificate.ts';
import type { Host } from '../../core/host.ts';
import { judge } from '../../core/judgement.ts';
import { ociLayout } from '../../stores/oci-layout/type.ts';
import { processDriver } from './driver.ts';

const here = await labOrReason();
const labTest = testUnless(here.reason);
const PATIENCE_MS = 240_000;
const LIMITS = { maxPauseMs: 8_000, maxBlurMs: 0 };

describe('processes on two hosts', () => {
  let lab: Lab;
  let folder: string;
  let hosts: (Host & AsyncDisposable)[] = [];
  let applications: TokenApplication[] = [];

  beforeAll(async () => {
    if (here.reason !== undefined) return;
    folder = await mkdtemp(join(tmpdir(), 'stasis-hosts-'));
    lab = await here.start();
    hosts = [labHost(lab, 'cloud'), labHost(lab, 'sovereign')];
    applications = await Promise.all(hosts.map((host) => TokenApplication.start(host)));
  }, PATIENCE_MS);
  afterAll(async () => {
    for (const host of hosts) await host[Symbol.asyncDispose]();
    await lab?.[Symbol.asyncDispose]();
    if (folder) await rm(folder, { recursive: true, force: true });
  }, PATIENCE_MS);

  labTest(
    'are frozen at one instant, which their holds share; taking one thaw or counter back, nothing is sharp',
    async () => {
      const members = hosts.flatMap((host) =>
        ['tokens', 'redis'].map((name): Member => {
          const spec = processDriver.spec.parse({ pidFile: `/run/${name}.pid` });
          return { name: `${name}-${host.name}`, driver: processDriver, spec, host };
        }),
      );
      const store = await ociLayout.open({ path: join(folder, 'store') }, testContext());
      const request = { name: 'both', owner: 'test', limits: LIMITS, createdBy: 'test', members, store };
      const { manifest } = await capture(request, testContext());
      expect(manifest).toMatchObject({ sharp: true, blurMs: 0 });

      const { certificate } = manifest;
      const holds = Object.values(certificate.members).flatMap((ties) => ties as readonly Hold[]);
      expect(holds.map(({ how }) => how)).toEqual(['frozen', 'frozen', 'frozen', 'frozen']);
      const fromNs = Math.max(...holds.map(({ heldFromNs }) => heldFromNs));
      const toNs = Math.min(...holds.map(({ heldToNs }) => heldToNs));
      expect(fromNs).toBeLessThanOrEqual(toNs);

      for (const name of Object.keys(certificate.members)) {
        const [hold] = certificate.members[name] as readonly [Hold];
        const broken: Hold[] = [
          { ...hold, readings: [hold.readings[0]!, { ...hold.readings[1]!, value: 'it ran' }] },
          { ...hold, heldToNs: fromNs - 1 },
          { ...hold, captured: 'another state' },
          ...hold.conditions.map((condition, index) => ({
            ...hold,
            conditions: hold.conditions.with(index, { ...condition, observed: 'otherwise' }),
          })),
        ];
        for (const tie of broken)
          expect(judge({ ...certificate, members: { ...certificate.members, [name]: [tie] } }).sharp).toBe(
            false,
          );
      }
      for (const application of applications) {
        const { confirmed } = await application.state();
        await until(async () => (await application.state()).confirmed > confirmed);
        expect(await application.state()).toMatchObject({ connections: 1, errors: 0, backwards: 0 });
      }
    },
    PATIENCE_MS,
  );
});
