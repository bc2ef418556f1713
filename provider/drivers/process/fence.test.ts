import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect } from '@jest/globals';
import { testContext } from '../../../test/support/context.ts';
import { labOrReason } from '../../../test/support/lab.ts';
import { memberOf } from '../../../test/support/member.ts';
import { inside, Photographer } from '../../../test/support/process/photographer.ts';
import { on, TokenApplication, type TokenState, until } from '../../../test/support/process/rig.ts';
import { testUnless } from '../../../test/support/skipped.ts';
import { fencedRestore, planFence } from '../../coordinator/fence.ts';
import { Journal, sweepJournals } from '../../coordinator/journal.ts';
import type { Member } from '../../coordinator/member.ts';
import type { Hold } from '../../core/certificate.ts';
import { once as bytesOf } from '../../core/content.ts';
import type { Held } from '../../core/driver.ts';
import type { Host } from '../../core/host.ts';
import { sleep } from '../../core/wait.ts';

const here = await labOrReason();
const labTest = testUnless(here.reason);
const PATIENCE_MS = 600_000;
const LEASE_MS = 4_000;
const PORT = 6_380;
const context = testContext();
const CHILD = join(import.meta.dirname, '../../../test/support/process/frozen-child.ts');

const REDIS = `
mkdir -p "$1" && cd "$1"
setsid redis-server --port ${PORT} --save '' --dir "$1" < /dev/null > "$1/log" 2>&1 &
n=0; until [ "$(redis-cli -p ${PORT} ping 2>/dev/null)" = PONG ] || [ $n -gt 100 ]; do n=$((n + 1)); sleep 0.1; done
`;
const COUNTER = `
mkdir -p "$1/folder" && cd "$1"
setsid python3 /opt/counter.py "$1/folder" ${PORT} < /dev/null > /dev/null 2>&1 &
echo $! > "$1.pid"
`;
/** Open to others only once it has what it is to have. */
const OWN_REDIS = `
setsid redis-server --port 0 --unixsocket /tmp/own.sock --save '' --dir /tmp > /dev/null 2>&1 < /dev/null &
n=0; until redis-cli -s /tmp/own.sock set steps STEPS || [ $n -gt 100 ]; do n=$((n + 1)); sleep 0.1; done
redis-cli -s /tmp/own.sock config set port ${PORT}
`;
const EMPTY = `redis-cli -p ${PORT} config set min-replicas-to-write 0; redis-cli -p ${PORT} flushall`;
/** PIDFILE: lets what is fenced run for a moment. */
const MEDDLE = `
set -e
group=/sys/fs/cgroup$(sed -n 's/^0:://p' "/proc/$(cat "$1")/cgroup")
echo 0 > "$group/cgroup.freeze"; sleep 0.2; echo 1 > "$group/cgroup.freeze"; sleep 0.2
`;
const ASK = `node -e 'require("http").get("http://127.0.0.1:7070/state", { timeout: 5000 }, (r) => r.pipe(process.stdout)).on("error", () => process.exit(1))'`;

describe('a fence of what runs', () => {
  let photographer: Photographer;

  beforeAll(async () => {
    if (here.reason !== undefined) return;
    photographer = await Photographer.start(here);
    const { cloud, sovereign } = photographer;
    const { signal } = new AbortController();
    const source = await readFile(join(import.meta.dirname, '../../../test/support/process/counter.py'));
    await cloud.write('/opt/counter.py', bytesOf(source), { signal, mode: 0o644 });
    await on(cloud, REDIS, '/srv/cache');
    await on(sovereign, REDIS, '/srv/cache');
  }, PATIENCE_MS);
  afterAll(() => photographer?.[Symbol.asyncDispose](), PATIENCE_MS);

  async function counting(name: string): Promise<Member> {
    await on(photographer.cloud, EMPTY);
    await on(photographer.sovereign, EMPTY);
    await on(photographer.cloud, COUNTER, `/srv/${name}`);
    await until(async () => (await counted(name)) > 10);
    return counterOn(photographer.cloud, name);
  }

  /** The same words on both hosts. */
  function counterOn(host: Host, name: string): Member {
    const spec = { pidFile: `/srv/${name}.pid`, files: [`/srv/${name}/folder`] };
    return memberOf('process', spec, { name, host });
  }

  const storeOn = (host: Host): Member =>
    memberOf('redis', { url: `redis://127.0.0.1:${PORT}` }, { name: 'steps', host });

  /** What it says itself that it has done. */
  async function counted(name: string): Promise<number> {
    return Number(await on(photographer.cloud, `cat /srv/${name}/folder/count`));
  }

  async function stands(name: string): Promise<boolean> {
    const before = await counted(name);
    await sleep(300);
    return (await counted(name)) === before;
  }

  const acknowledged = async (host: Host): Promise<number> =>
    Number(await on(host, `redis-cli -p ${PORT} get steps`));

  const end = (name: string): Promise<string> => on(photographer.cloud, `kill -9 "$(cat /srv/${name}.pid)"`);

  labTest(
    'lets the original do no further step, and its twin goes on at just that step, as its store does',
    async () => {
      const { cloud, sovereign, store } = photographer;
      const originals = [await counting('first'), storeOn(cloud)];
      const targets = [counterOn(sovereign, 'first'), storeOn(sovereign)];
      const sealed = await photographer.photographAll('first', originals);
      const asked = { verify: 'equivalent', overwrite: true } as const;
      const request = await photographer.request(sealed, targets, asked);
      expect(
        (await planFence(request, originals, context)).filter(({ severity }) => severity === 'error'),
      ).toEqual([]);
      // That it stood is read, and not compared: nothing is dumped once more.
      const [counter, steps0] = originals as [Member, Member];
      const unlooked = {
        ...counter,
        driver: { ...counter.driver, observe: () => Promise.reject(new Error()) },
      };
      const { final, verdict, members } = await fencedRestore(request, [unlooked, steps0], context);
      expect([verdict, members.first?.verdict]).toEqual(['equivalent', 'identical']);

      const [steps, done] = [await acknowledged(cloud), await counted('first')];
      expect(await acknowledged(sovereign)).toBe(steps);
      // What was answered and not yet read is there to be read.
      expect(steps - done).toBeGreaterThanOrEqual(0);
      expect(steps - done).toBeLessThanOrEqual(1);
      expect(await on(cloud, 'cat /srv/first/folder/refused')).toBe('');
      expect(await stands('first')).toBe(true);

      const { manifest } = await store.open(final.name, final.digest, context);
      const [hold] = manifest.certificate.members.first as readonly [Hold];
      expect(hold.how).toBe('frozen');
      expect(hold.conditions).toContainEqual({
        claim: 'the fenced control group once the capture has let go of it',
        expected: 'frozen',
        observed: 'frozen',
      });
      expect(manifest.members.first?.stopped).toMatch(/./);
      expect(await store.records.list('journal/')).toEqual([]);

      // The twin sees no Redis but one in its own network: given what the store has, it goes on with the next step.
      const twin = (script: string) => inside(sovereign, '/srv/first.pid', script);
      await twin(OWN_REDIS.replaceAll('STEPS', String(steps)));
      await until(async () => Number(await twin('cat /srv/first/folder/count')) > steps + 10);
      expect(await counted('first')).toBe(done);
      expect(await acknowledged(cloud)).toBe(steps);
      await end('first');
    },
    PATIENCE_MS,
  );

  labTest(
    'moves processes that speak to one another without one of them noticing',
    async () => {
      const { cloud, sovereign } = photographer;
      const application = await TokenApplication.start(cloud);
      const of = (host: Host): Member[] =>
        ['tokens', 'redis'].map((name) =>
          photographer.member(name, host, { pidFile: `/run/${name}.pid`, files: [`/srv/app/${name}`] }),
        );
      const request = await photographer.request(
        await photographer.photographAll('tokens', of(cloud)),
        of(sovereign),
      );
      const { verdict } = await fencedRestore(request, of(cloud), context);
      expect(verdict).toBe('identical');
      const state = async (): Promise<TokenState> =>
        JSON.parse(await inside(sovereign, '/run/tokens.pid', ASK));
      const { confirmed } = await state();
      await until(async () => (await state()).confirmed > confirmed + 10);
      expect(await state()).toMatchObject({ connections: 1, errors: 0, backwards: 0 });
      await expect(application.state()).rejects.toThrow();
      await application.end();
    },
    PATIENCE_MS,
  );

  labTest(
    'that died goes on being one, whatever the watchdog of a capture does, until the sweep lifts it',
    async () => {
      const { cloud, lab, store } = photographer;
      const original = await counting('second');
      const home = await on(cloud, 'cat /proc/$(cat /srv/second.pid)/cgroup');
      const journal = new Journal(store, 'fence-second');
      for (let raised = 0; raised < 2; raised += 1)
        await original.driver.fence!.raise(
          original.spec,
          cloud,
          (entry) => journal.note(original, entry),
          context,
        );
      expect(await stands('second')).toBe(true);

      const ssh = {
        ...{ address: lab.hosts.cloud.address, user: 'root' },
        ...{ privateKeyFile: lab.keyFile, knownHostsFile: lab.knownHostsFile },
      };
      const argv = [CHILD, JSON.stringify({ pidFile: '/srv/second.pid' }), JSON.stringify(ssh), 'dumped'];
      const child = spawn(process.execPath, argv, {
        stdio: ['ignore', 'pipe', 'inherit'],
        env: { ...process.env, LEASE_MS: String(LEASE_MS) },
      });
      await once(child.stdout, 'data');
      child.kill('SIGKILL');
      await once(child, 'exit');
      await until(async () => (await on(cloud, 'ls /run/stasis | grep -c dump || true')) === '0');
      await sleep(LEASE_MS);
      expect(await stands('second')).toBe(true);

      await sweepJournals(store, [original], context);
      await until(async () => !(await stands('second')));
      expect(await store.records.list('journal/')).toEqual([]);
      expect(await on(cloud, 'grep -l "stasis-$(cat /srv/second.pid)" /run/stasis/fence-* || true')).toBe('');
      expect(await on(cloud, 'cat /proc/$(cat /srv/second.pid)/cgroup')).toBe(home);
      expect(await on(cloud, 'cat /srv/second/folder/refused')).toBe('');
      await end('second');
    },
    PATIENCE_MS,
  );

  labTest(
    'is lifted by what fails before the release, and stays where the release fails; the next apply goes on, and a hand lifts it',
    async () => {
      const { cloud, sovereign } = photographer;
      const originals = [await counting('third'), storeOn(cloud)];
      const targets = [counterOn(sovereign, 'third'), storeOn(sovereign)];
      const sealed = await photographer.photographAll('third', originals);
      const asked = { verify: 'equivalent', overwrite: true } as const;
      const request = await photographer.request(sealed, targets, asked);

      const lost = failing(targets[1]!, 'fingerprint');
      await expect(
        fencedRestore({ ...request, members: [targets[0]!, lost] }, originals, context),
      ).rejects.toThrow('on purpose');
      expect(await stands('third')).toBe(false);

      const meddled = changed(targets[1]!, async () => {
        await on(cloud, MEDDLE, '/srv/third.pid');
        return {};
      });
      await expect(
        fencedRestore({ ...request, members: [targets[0]!, meddled] }, originals, context),
      ).rejects.toMatchObject({ code: 'fence.breached', at: ['original', 'third', 'process'] });
      expect(await stands('third')).toBe(false);

      const stuck = failing(targets[1]!, 'release');
      await expect(
        fencedRestore({ ...request, members: [targets[0]!, stuck] }, originals, context),
      ).rejects.toMatchObject({
        code: 'restore.release-failed',
      });
      expect(await stands('third')).toBe(true);
      const steps = await acknowledged(cloud);
      await fencedRestore(request, originals, context);
      expect(await stands('third')).toBe(true);
      expect([await acknowledged(sovereign), await acknowledged(cloud)]).toEqual([steps, steps]);

      // As docs/moving.md says.
      await on(
        cloud,
        'for mark in /run/stasis/fence-*; do read -r group < "$mark"; rm "$mark"; echo 0 > "$group/cgroup.freeze"; done',
      );
      await until(async () => Number(await on(cloud, 'cat /srv/third/folder/refused')) > 3);
      await end('third');
    },
    PATIENCE_MS,
  );
});

/** The member, with what is restored of it changed. */
function changed(member: Member, change: (held: Held) => Partial<Held> | Promise<Partial<Held>>): Member {
  const { driver } = member;
  const restore: typeof driver.restore = async (...args) => {
    const held = await driver.restore(...args);
    const own: Held = {
      fingerprint: () => held.fingerprint(),
      release: () => held.release(),
      [Symbol.asyncDispose]: () => held[Symbol.asyncDispose](),
    };
    return { ...own, ...(await change(held)) };
  };
  return { ...member, driver: { ...driver, restore } };
}

function failing(member: Member, step: 'fingerprint' | 'release'): Member {
  return changed(member, () => ({
    [step]: () => {
      throw new Error('on purpose');
    },
  }));
}
