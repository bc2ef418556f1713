import { execFile } from 'node:child_process';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect } from '@jest/globals';
import { sleep } from '../../provider/core/wait.ts';
import { sshHost } from '../../provider/hosts/ssh/host.ts';
import type { SshSpec } from '../../provider/hosts/ssh/spec.ts';
import { type Lab, labOrReason } from '../support/lab.ts';
import { testUnless } from '../support/skipped.ts';

const run = promisify(execFile);
const here = await labOrReason();
const labTest = testUnless(here.reason);
const PATIENCE_MS = 120_000;
const never = (): AbortSignal => new AbortController().signal;

describe('a host that is reached by SSH', () => {
  let lab: Lab;
  let good: SshSpec;
  beforeAll(async () => {
    if (here.reason !== undefined) return;
    lab = await here.start();
    const { address, hostKey } = lab.hosts.cloud;
    good = { address, user: 'root', privateKey: await readFile(lab.keyFile, 'utf8'), hostKey };
  }, PATIENCE_MS);
  afterAll(async () => {
    await lab?.[Symbol.asyncDispose]();
  }, PATIENCE_MS);

  const hostname = async (spec: SshSpec): Promise<string> => {
    await using host = sshHost('far', spec);
    return (await host.run(['hostname'], { signal: never(), timeoutMs: 30_000 })).stdout.trim();
  };
  const failure = (spec: SshSpec): Promise<{ code: string; at: readonly string[] }> =>
    hostname(spec).then(
      () => ({ code: 'none', at: [] }),
      ({ code, at }) => ({ code, at }),
    );

  labTest(
    'is logged in to with a key as text or as a file, and a known key as text or as a file',
    async () => {
      const { privateKey: _key, hostKey: _known, ...bare } = good;
      expect(await hostname(good)).toBe('cloud');
      const knownHostsFile = join(lab.folder, 'a file of known hosts');
      await writeFile(knownHostsFile, `${bare.address} ${good.hostKey}\n`);
      expect(await hostname({ ...bare, privateKeyFile: lab.keyFile, knownHostsFile })).toBe('cloud');
      expect(await hostname({ ...bare, privateKeyFile: lab.keyFile, acceptAnyHostKey: true })).toBe('cloud');
    },
  );

  labTest('says what is wrong, and where', async () => {
    const stranger = join(lab.folder, 'stranger');
    await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', stranger]);
    const { privateKey: _key, ...keyless } = good;
    expect(await failure({ ...keyless, privateKeyFile: stranger })).toEqual({
      code: 'host.login-refused',
      at: ['privateKeyFile'],
    });
    expect(await failure({ ...good, privateKey: await readFile(stranger, 'utf8') })).toEqual({
      code: 'host.login-refused',
      at: ['privateKey'],
    });
    expect(await failure({ ...good, privateKey: 'no key at all' })).toMatchObject({
      code: 'host.private-key',
    });
    expect(await failure({ ...good, hostKey: lab.hosts.sovereign.hostKey })).toEqual({
      code: 'host.key-mismatch',
      at: ['hostKey'],
    });
    expect(await failure({ ...good, hostKey: undefined, knownHostsFile: '/dev/null' })).toMatchObject({
      code: 'host.key-unknown',
    });
    expect(await failure({ ...good, port: 2 })).toEqual({ code: 'host.unreachable', at: ['address'] });
    expect(await failure({ ...good, address: 'no-such-host.invalid' })).toMatchObject({
      code: 'host.unreachable',
    });
  });

  labTest('is reached by way of another, each with a key of its own', async () => {
    const { sovereign } = lab.hosts;
    const jump = { ...good, address: sovereign.address, hostKey: sovereign.hostKey, user: 'deploy' };
    await using host = sshHost('far', { ...good, jump });
    const { stdout } = await host.run(['sh', '-c', 'hostname; ss -Htn'], {
      signal: never(),
      timeoutMs: 30_000,
    });
    expect(stdout).toMatch(/^cloud\n/);
    expect(stdout).toContain(`${sovereign.address}:`);
    expect(await failure({ ...good, jump: { ...jump, hostKey: good.hostKey } })).toMatchObject({
      code: 'host.key-mismatch',
    });
  });

  labTest('keeps a login for all commands, and leaves nothing behind', async () => {
    const folders = async (): Promise<string[]> =>
      (await readdir(tmpdir())).filter((name) => name.startsWith(`stasis-ssh-${process.pid}-`));
    await using observer = sshHost('cloud', good);
    const there = async (): Promise<string> =>
      (
        await observer.run(['sh', '-c', 'ls -d /run/stasis-* | wc -l'], {
          signal: never(),
          timeoutMs: 30_000,
        })
      ).stdout;
    expect(await there()).toBe('1\n');
    const host = sshHost('cloud', good);
    for (let time = 0; time < 5; time += 1) await host.run(['true'], { signal: never(), timeoutMs: 30_000 });
    expect(await there()).toBe('2\n');
    expect(await folders()).toHaveLength(2);
    await host[Symbol.asyncDispose]();
    expect(await folders()).toHaveLength(1);
    await sleep(1_000);
    expect(await there()).toBe('1\n');
  });

  labTest(
    'a link that is cut is noticed within seconds; the lease there fires at its deadline, and a new login is made',
    async () => {
      await using host = sshHost('cloud', good);
      const run = (script: string) => host.run(['sh', '-c', script], { signal: never(), timeoutMs: 60_000 });
      const lease = await host.lease(['touch', '/root/rescued'], 4_000, { signal: never() });
      const cut =
        'setsid sh -c "sleep 1; ip link set eth0 down; sleep 20; ip link set eth0 up" </dev/null >/dev/null 2>&1 &';
      await run(cut);
      const running = run('sleep 50');
      await expect(running).rejects.toMatchObject({ code: 'host.connection-lost' });
      expect(await lease.disarm()).toBe('lost');
      for (let tries = 30; tries > 0; tries -= 1) {
        const seen = await run('ls /root/rescued').catch(() => undefined);
        if (seen?.status === 0) return;
        await sleep(1_000);
      }
      throw new Error('the host was not reached again, or its lease has not fired');
    },
    PATIENCE_MS,
  );
});
