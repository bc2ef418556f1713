import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { describe, expect } from '@jest/globals';
import { testContext } from '../../../test/support/context.ts';
import { labOrReason } from '../../../test/support/lab.ts';
import { on, TokenApplication, until } from '../../../test/support/process/rig.ts';
import { testUnless } from '../../../test/support/skipped.ts';
import { usedLab } from '../../../test/support/used-lab.ts';
import { processDriver } from './driver.ts';

const here = await labOrReason();
const labTest = testUnless(here.reason);
const PATIENCE_MS = 240_000;
const LEASE_MS = 5_000;
/** What a busy machine may add to the time after which everything has to run. */
const MARGIN_MS = 10_000;
const CHILD = join(import.meta.dirname, '../../../test/support/process/frozen-child.ts');

describe('a capture that dies while processes are frozen', () => {
  let application: TokenApplication;

  const used = usedLab(here, async () => {
    application = await TokenApplication.start(used.cloud);
  });

  async function childAt(step: string, spec: object = { pidFile: '/run/tokens.pid' }): Promise<ChildProcess> {
    const ssh = {
      ...{ address: used.lab.hosts.cloud.address, user: 'root' },
      ...{ privateKeyFile: used.lab.keyFile, knownHostsFile: used.lab.knownHostsFile },
    };
    const argv = [CHILD, JSON.stringify(spec), JSON.stringify(ssh), step];
    const child = spawn(process.execPath, argv, {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, LEASE_MS: String(LEASE_MS) },
    });
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
      `killed when it is ${step}, the service runs again within the lease, has lost nothing, and is captured by the next`,
      async () => {
        const before = await application.state();
        const child = await childAt(step);
        child.kill('SIGKILL');
        await once(child, 'exit');
        await until(advances, LEASE_MS + MARGIN_MS);
        expect(await application.state()).toMatchObject({
          connections: 1,
          errors: 0,
          backwards: 0,
          pid: before.pid,
        });
        await until(async () => (await on(used.cloud, 'ls /run/stasis | grep -c dump || true')) === '0');

        const spec = processDriver.spec.parse({ pidFile: '/run/tokens.pid' });
        const context = testContext();
        const session = await processDriver.prepare(spec, used.cloud, context);
        await session.hold!.settle!(context.signal);
        await session.hold!.freeze(LEASE_MS, context.signal);
        await session.mark!.take(context.signal);
        const { conditions } = await session.hold!.evidence(context.signal);
        await session.hold!.thaw();
        await session[Symbol.asyncDispose]();
        expect(conditions.filter(({ expected, observed }) => expected !== observed)).toEqual([]);
        // Back in the group where it was before us, and nothing of ours is left.
        expect(await on(used.cloud, 'ls /sys/fs/cgroup | grep stasis || true')).toBe('');
        await until(advances);
      },
      PATIENCE_MS,
    );

  labTest(
    'what it has copied beside a declared folder is not taken for the next one’s',
    async () => {
      const folder = '/srv/declared';
      const write = (text: string): Promise<string> =>
        on(used.cloud, `mkdir -p ${folder} && printf ${text} > ${folder}/file`);
      await write('first');
      const spec = { pidFile: '/run/tokens.pid', files: [folder] };
      const child = await childAt('dumped', spec);
      child.kill('SIGKILL');
      await once(child, 'exit');
      expect(await on(used.cloud, 'ls /srv')).toContain('declared.stasis-');
      await until(async () => (await on(used.cloud, 'ls /run/stasis | grep -c dump || true')) === '0');
      await write('second');

      const context = testContext();
      await using session = await processDriver.prepare(processDriver.spec.parse(spec), used.cloud, context);
      await session.hold!.settle!(context.signal);
      await session.hold!.freeze(LEASE_MS, context.signal);
      await session.mark!.take(context.signal);
      await session.hold!.thaw();
      expect(
        await on(used.cloud, `cat ${folder}.stasis-*/file; ls -R ${folder}.stasis-* | grep -c file`),
      ).toBe('second1');
      await session[Symbol.asyncDispose]();
      expect(await on(used.cloud, 'ls /srv | grep declared')).toBe('declared');
    },
    PATIENCE_MS,
  );

  labTest(
    'stopped by SIGSTOP, it is thawed when the lease is over, and knows that its cut is torn',
    async () => {
      const child = await childAt('frozen');
      child.kill('SIGSTOP');
      try {
        await until(advances, LEASE_MS + MARGIN_MS);
      } finally {
        child.kill('SIGKILL');
        await once(child, 'exit');
      }
    },
    PATIENCE_MS,
  );

  labTest(
    'a watchdog that fires within a cut leaves no hold that counts',
    async () => {
      const context = testContext();
      const session = await processDriver.prepare(
        processDriver.spec.parse({ pidFile: '/run/redis.pid' }),
        used.cloud,
        context,
      );
      try {
        await session.hold!.settle!(context.signal);
        await session.hold!.freeze(700, context.signal);
        await until(async () => (await on(used.cloud, 'redis-cli ping')) === 'PONG');
        const { conditions } = await session.hold!.evidence(context.signal);
        expect(
          conditions.filter(({ expected, observed }) => expected !== observed).map(({ claim }) => claim),
        ).toEqual(expect.arrayContaining(['the watchdog on the host']));
      } finally {
        await session.hold!.thaw();
        await session[Symbol.asyncDispose]();
      }
    },
    PATIENCE_MS,
  );
});
