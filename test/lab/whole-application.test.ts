import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect } from '@jest/globals';
import { capture } from '../../provider/coordinator/capture.ts';
import { restore } from '../../provider/coordinator/restore.ts';
import { judge } from '../../provider/core/judgement.ts';
import { STORE_TYPES } from '../../provider/stores/registry.ts';
import { type LabBank, startLabBank, twinBank, twinMember } from '../proof/lab-bank-stops.ts';
import { checkBank } from '../support/bank/bank.ts';
import { testContext } from '../support/context.ts';
import { type Lab, labOrReason } from '../support/lab.ts';
import type { BankService } from '../support/lab-servers/bank-service.ts';
import { until } from '../support/process/rig.ts';
import { testUnless } from '../support/skipped.ts';

const here = await labOrReason();
const PATIENCE_MS = 600_000;
const TWINS = ['first', 'second'] as const;

/**
 * Postgres, Redis, MariaDB and the bank that moves money between them, on two hosts: all frozen at one instant. The tests
 * of the process driver show the parts: tokens that stay valid (restore), buffers that stay warm (servers), strangers
 * that are reset (twins).
 */
describe('a whole application with all that it has in memory', () => {
  let lab: Lab;
  let bank: LabBank;
  let folder: string;
  beforeAll(async () => {
    if (here.reason !== undefined) return;
    lab = await here.start();
    folder = await mkdtemp(join(tmpdir(), 'stasis-whole-'));
    bank = await startLabBank(lab, { mode: 'full', relaxed: false, vm: false });
  }, PATIENCE_MS);
  afterAll(async () => {
    await bank?.[Symbol.asyncDispose]();
    await lab?.[Symbol.asyncDispose]();
    if (folder !== undefined) await rm(folder, { recursive: true, force: true });
  }, PATIENCE_MS);

  testUnless(here.reason)(
    'comes to life twice beside the original, and goes on there in the middle of what it did',
    async () => {
      const context = testContext();
      const store = await STORE_TYPES[0]!.open({ path: join(folder, 'store') }, context);
      const before = await bank.service.report();
      const sealed = await capture(
        {
          ...{ name: 'bank', owner: 'test', store, limits: { maxPauseMs: 20_000, maxBlurMs: 0 } },
          ...{ createdBy: 'test', members: bank.stops.map(({ member }) => member) },
        },
        context,
      );
      const after = await bank.service.report();
      expect(judge(sealed.manifest.certificate)).toMatchObject({ sharp: true, findings: [] });
      const snapshot = await store.open('bank', sealed.digest, context);
      for (const twin of TWINS) {
        const result = await restore(
          {
            ...{ restoreId: `whole-${twin}`, snapshot, store, verify: 'report', overwrite: false },
            members: bank.stops.map(({ member }) => twinMember(member.name, twin, bank.hosts.sovereign)),
            ...{ safetySnapshot: false, expiry: 'absolute', createdBy: 'test' },
          },
          context,
        );
        expect(result.verdict).toBe('identical');
      }
      // The twins begin where the picture was taken, each for itself, on connections that were never made anew.
      for (const twin of TWINS) await expectToGoOn(twinBank(twin, bank.hosts), before.moves);
      const original = await bank.service.report();
      expect(original.moves).toBeGreaterThan(after.moves);
      await expectWhole(bank.service);
      for (const twin of TWINS) await expectWhole(twinBank(twin, bank.hosts));
    },
    PATIENCE_MS,
  );
});

/** Workers never connect again: an error or a lost connection would have ended one for good. */
async function expectToGoOn(service: BankService, leastMoves: number): Promise<void> {
  const first = await service.report();
  expect(first.moves).toBeGreaterThanOrEqual(leastMoves);
  await until(async () => (await service.report()).moves > first.moves + 20);
  expect(await service.report()).toMatchObject({ errors: [], working: true });
}

async function expectWhole(service: BankService): Promise<void> {
  expect(await service.rest()).toMatchObject({ errors: [], working: false });
  expect(checkBank(await service.all())).toMatchObject({ torn: false, faults: [], underWay: 0, inFlight: 0 });
}
