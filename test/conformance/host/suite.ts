import { afterAll, beforeAll, describe } from '@jest/globals';
import { testUnless } from '../../support/skipped.ts';
import { commandTests } from './commands.ts';
import { fileTests } from './file-tests.ts';
import { leaseTests } from './leases.ts';
import type { HostFactory, HostUnderTest } from './under-test.ts';

const START_MS = 120_000;

/** What every host must do, whatever lies between it and us. */
export function hostConformance(factory: HostFactory): void {
  describe(`a host: ${factory.name}`, () => {
    let started: HostUnderTest | undefined;
    beforeAll(async () => {
      if (factory.reason === undefined) started = await factory.start();
    }, START_MS);
    afterAll(async () => {
      await started?.[Symbol.asyncDispose]();
    }, START_MS);
    const here = (): HostUnderTest => {
      if (started === undefined) throw new Error('the host is not up');
      return started;
    };
    const declare = testUnless(factory.reason);
    commandTests(declare, here);
    fileTests(declare, here);
    leaseTests(declare, here);
  });
}
