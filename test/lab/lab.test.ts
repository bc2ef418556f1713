import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect } from '@jest/globals';
import { endLab, isUp, labsFolder } from '../../scripts/lab/folder.ts';
import { findLab, startLab, untilReady } from '../../scripts/lab/lab.ts';
import { findRoot } from '../../scripts/lab/root.ts';
import { type Lab, labOrReason } from '../support/lab.ts';
import { testUnless } from '../support/skipped.ts';
import { stillThere, tracesOf } from './traces.ts';

const run = promisify(execFile);
const here = await labOrReason();
const labTest = testUnless(here.reason);
const PATIENCE_MS = 120_000;

/** What a shell script prints on a host, by its own sshd, which must be the one we know. */
async function on(lab: Lab, host: string, script: string): Promise<string> {
  const { stdout } = await run('ssh', ['-F', lab.sshConfig, host, script], { timeout: 60_000 });
  return stdout.trim();
}

describe('the lab', () => {
  let lab: Lab;
  beforeAll(async () => {
    if (here.reason === undefined) lab = await here.start();
  }, PATIENCE_MS);
  afterAll(async () => {
    await lab?.[Symbol.asyncDispose]();
  }, PATIENCE_MS);

  labTest('has two hosts with names, addresses and process ids of their own', async () => {
    for (const name of ['cloud', 'sovereign'] as const) {
      expect(await on(lab, name, 'hostname')).toBe(name);
      expect(await on(lab, name, 'ip -4 -o addr show eth0')).toContain(` ${lab.hosts[name].address}/24 `);
      expect(await on(lab, name, 'cat /proc/1/comm')).toBe('catatonit');
      expect(await on(lab, name, 'ls /sys/fs/cgroup/cgroup.procs && cat /proc/self/cgroup')).toContain(
        '0::/',
      );
      expect(await on(lab, `deploy@${name}`, 'id -un; sudo id -un')).toBe('deploy\nroot');
    }
  });

  labTest('a host with another key than the known one is not logged in to', async () => {
    const { cloud, sovereign } = lab.hosts;
    const swapped = join(lab.folder, 'ssh/swapped');
    await writeFile(swapped, `cloud ${sovereign.hostKey}\nsovereign ${cloud.hostKey}\n`);
    const argv = ['-F', lab.sshConfig, '-o', `UserKnownHostsFile=${swapped}`, 'cloud', 'true'];
    await expect(run('ssh', argv)).rejects.toMatchObject({
      stderr: expect.stringContaining('verification failed'),
    });
  });

  labTest('the hosts reach one another and the machine, by TCP and by name', async () => {
    const heard = on(lab, 'sovereign', 'timeout 20 socat -u TCP-LISTEN:4000,reuseaddr STDOUT');
    const speak =
      'for try in $(seq 100); do echo hello | socat -u STDIN TCP:sovereign:4000 && exit; sleep 0.1; done';
    await on(lab, 'cloud', `${speak} 2>/dev/null`);
    expect(await heard).toBe('hello');
    expect(await on(lab, 'cloud', 'getent hosts machine')).toContain(lab.machineAddress);
  });

  labTest(
    'PostgreSQL and Redis run there',
    async () => {
      await on(
        lab,
        'cloud',
        `set -e; install -d -o postgres /srv/pg; bin=/usr/lib/postgresql/18/bin
        as() { setpriv --reuid postgres --regid postgres --init-groups "$@"; }
        as $bin/initdb -D /srv/pg -A trust -U postgres >/dev/null; as $bin/pg_ctl -D /srv/pg -w -l /srv/pg/log start >/dev/null
        redis-server --daemonize yes --dir /srv --save '' >/dev/null`,
      );
      expect(await on(lab, 'cloud', 'psql -h 127.0.0.1 -U postgres -Atc "SHOW server_version"')).toMatch(
        /^18\./,
      );
      expect(await on(lab, 'cloud', 'redis-cli INFO server | grep ^redis_version')).toMatch(/:8\./);
      // Another host is another machine: nothing listens there.
      expect(await on(lab, 'sovereign', 'redis-cli PING 2>&1 || true')).toContain('refused');
    },
    PATIENCE_MS,
  );

  labTest('a process is dumped by CRIU with its memory, and goes on where it was', async () => {
    const said = await on(lab, 'cloud', 'criu check 2>&1; criu --version');
    console.log(`criu check: ${said.replaceAll('\n', ', ')}`);
    expect(said).toMatch(/Version: 4\.([2-9]|\d\d)/);
    const script = `set -e; cd $(mktemp -d)
      setsid setpriv --reuid deploy --clear-groups sh -c 'n=0; while :; do n=$((n+1)); echo $n > /tmp/count; sleep 0.1; done' </dev/null >/dev/null 2>&1 &
      until [ -s /tmp/count ]; do sleep 0.05; done; sleep 0.5
      criu dump -t $! -D . -o dump.log || cat dump.log
      before=$(cat /tmp/count); sleep 0.5; [ $(cat /tmp/count) = $before ]
      criu restore -d -D . -o restore.log --pidfile pid; sleep 0.5; [ $(cat /tmp/count) -gt $before ]; echo went on; kill -9 -$(cat pid)`;
    // Files of the user's in a folder that root owns.
    await on(lab, 'cloud', 'install -m 666 /dev/null /tmp/count');
    expect(await on(lab, 'cloud', script)).toBe('went on');
  });

  labTest('a control group freezes, and /srv has snapshots', async () => {
    const frozen = `set -e; group=/sys/fs/cgroup/member; mkdir $group; sleep 60 </dev/null >/dev/null 2>&1 & echo $! > /sys/fs/cgroup/member/cgroup.procs
      echo 1 > $group/cgroup.freeze; until grep -q 'frozen 1' $group/cgroup.events; do sleep 0.01; done; echo frozen
      echo 0 > $group/cgroup.freeze; kill $!; wait $! || true; rmdir $group`;
    expect(await on(lab, 'cloud', frozen)).toContain('frozen');
    const snapshot =
      'cd /srv && btrfs -q subvolume create a && echo 1 > a/f && btrfs -q subvolume snapshot -r a b && echo 2 > a/f && cat a/f b/f';
    expect(await on(lab, 'cloud', snapshot)).toBe('2\n1');
  });

  labTest(
    'two labs side by side do not meet',
    async () => {
      await using other = await here.start();
      expect(other.hosts.cloud.address).not.toBe(lab.hosts.cloud.address);
      expect(await on(other, 'cloud', 'hostname')).toBe('cloud');
      for (const address of [other.hosts.cloud.address, other.machineAddress])
        expect(await on(lab, 'cloud', `ping -c1 -W1 ${address} 2>&1 || true`)).toContain('unreachable');
      // Nor does the one's key open the other.
      await expect(
        run('ssh', ['-F', lab.sshConfig, '-o', `HostName=${other.hosts.cloud.address}`, 'cloud', 'true']),
      ).rejects.toMatchObject({ code: 255 });
    },
    PATIENCE_MS,
  );
});

describe('a lab that ends', () => {
  const nothing = { mounts: [], links: [], loopDevices: [], groups: [], processes: [] };

  labTest(
    'leaves nothing on the machine',
    async () => {
      const lab = await here.start();
      await on(lab, 'cloud', 'mkdir /sys/fs/cgroup/a; setsid sleep 600 </dev/null >/dev/null 2>&1 &');
      const during = await tracesOf(lab);
      // It sees what it is to compare: otherwise the second look would prove nothing.
      expect(during.links).toHaveLength(1);
      expect(during.loopDevices).toHaveLength(2);
      expect(during.groups.length).toBeGreaterThanOrEqual(2);
      expect(during.processes.filter((line) => line.endsWith('/sshd'))).toHaveLength(2);
      await lab[Symbol.asyncDispose]();
      expect(await tracesOf(lab)).toEqual(nothing);
      expect(await stillThere(lab, during.processes)).toEqual([]);
      expect(await findLab(lab.name)).toBeUndefined();
    },
    PATIENCE_MS,
  );

  /** A process that starts a lab, killed without warning some time after it began to. */
  async function killedStarter(name: string, how: string, after: 'up' | number): Promise<void> {
    const child = spawn(process.execPath, [join(import.meta.dirname, 'child.ts'), name, how], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const closed = once(child, 'close');
    let said = '';
    for await (const chunk of child.stdout) {
      said += String(chunk);
      if (said.includes(after === 'up' ? 'up\n' : 'starting\n')) break;
    }
    if (typeof after === 'number') await sleep(after);
    child.kill('SIGKILL');
    await closed;
  }

  labTest(
    'goes with whoever started it for himself, killed with -9, and the next start sweeps what is left',
    async () => {
      const name = `killed-${process.pid}`;
      await killedStarter(name, 'goes', 'up');
      const folder = join(labsFolder(), name);
      for (let tries = 200; tries > 0 && (await isUp(folder)); tries -= 1) await sleep(50);
      const root = await findRoot();
      const lab = await startLab(root!, { name, stays: false });
      expect(await on(lab, 'cloud', 'hostname')).toBe('cloud');
      await lab[Symbol.asyncDispose]();
      expect(await tracesOf(lab)).toEqual(nothing);
    },
    PATIENCE_MS,
  );

  labTest(
    'killed with -9 half-way through its start, it does not keep the next from starting',
    async () => {
      const name = `half-${process.pid}`;
      for (const afterMs of [20, 120, 300, 500]) {
        await killedStarter(name, 'stays', afterMs);
        const root = await findRoot();
        await using lab = (await findLab(name)) ?? (await startLab(root!, { name, stays: false }));
        await untilReady(lab);
        expect(await on(lab, 'sovereign', 'hostname')).toBe('sovereign');
        await endLab(lab.folder);
        expect(await tracesOf(lab)).toEqual(nothing);
      }
    },
    PATIENCE_MS,
  );
});
