import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect } from '@jest/globals';
import { stringify } from 'yaml';
import { stasis } from '../e2e/cli/stasis.ts';
import { type Lab, labOrReason } from '../support/lab.ts';
import { testUnless } from '../support/skipped.ts';

const run = promisify(execFile);
const here = await labOrReason();
const labTest = testUnless(here.reason);
const PATIENCE_MS = 180_000;

const START = `set -e; install -d -o postgres /srv/pg; bin=/usr/lib/postgresql/18/bin
as() { setpriv --reuid postgres --regid postgres --init-groups "$@"; }
cat > /run/pw; chmod 644 /run/pw; as $bin/initdb -D /srv/pg -A scram-sha-256 -U postgres --pwfile=/run/pw >/dev/null; rm /run/pw
as $bin/pg_ctl -D /srv/pg -w -l /srv/pg/log start >/dev/null
redis-server --daemonize yes --dir /srv --save '' --bind 127.0.0.1 --requirepass "$1" >/dev/null`;
const PASSWORD = 'pass-w0rd';

async function on(lab: Lab, host: string, script: string, ...args: string[]): Promise<string> {
  const child = run('ssh', [
    '-F',
    lab.sshConfig,
    host,
    `sh -c '${script.replaceAll("'", "'\\''")}' sh ${args.join(' ')}`,
  ]);
  child.child.stdin?.end(`${PASSWORD}\n`);
  return (await child).stdout.trim();
}

/** The servers of the hosts listen on their own loopback only, and this machine's client programs have no part in it. */
describe('databases of hosts that are reached by SSH', () => {
  let lab: Lab;
  let folder: string;
  beforeAll(async () => {
    if (here.reason !== undefined) return;
    lab = await here.start();
    folder = await mkdtemp(join(tmpdir(), 'stasis-over-ssh-'));
    await Promise.all(['cloud', 'sovereign'].map((host) => on(lab, host, START, PASSWORD)));
  }, PATIENCE_MS);
  afterAll(async () => {
    await lab?.[Symbol.asyncDispose]();
    if (folder !== undefined) await rm(folder, { recursive: true, force: true });
  }, PATIENCE_MS);

  const psql = (host: string, sql: string): Promise<string> =>
    on(
      lab,
      host,
      `PGPASSWORD=${PASSWORD} psql -h 127.0.0.1 -U postgres -Atc "${sql}" \${1:-postgres}`,
      'shop',
    );

  async function document(host: 'cloud' | 'sovereign', more: object = {}, ssh: object = {}): Promise<string> {
    const { address, hostKey } = lab.hosts[host];
    const file = join(folder, `${host}.yaml`);
    const key = await readFile(lab.keyFile, 'utf8');
    await writeFile(
      file,
      stringify({
        hosts: { [host]: { ssh: { address, user: 'root', privateKey: key, hostKey, ...ssh } } },
        members: {
          orders: { postgres: { url: `postgres://postgres:${PASSWORD}@127.0.0.1:5432/shop`, host } },
          sessions: { redis: { url: `redis://:${PASSWORD}@127.0.0.1:6379`, host } },
        },
        store: { path: join(folder, 'store') },
        ...more,
      }),
    );
    return file;
  }

  labTest(
    'are captured on one and restored on the other by the command line',
    async () => {
      await on(lab, 'cloud', `PGPASSWORD=${PASSWORD} createdb -h 127.0.0.1 -U postgres shop`);
      await psql(
        'cloud',
        'CREATE TABLE orders AS SELECT n AS id, md5(n::text) AS item FROM generate_series(1, 20000) n',
      );
      await on(
        lab,
        'cloud',
        `seq 1 5000 | sed 's/.*/SET key& value&/' | redis-cli -a ${PASSWORD} --pipe 2>/dev/null`,
      );
      expect(await on(lab, 'cloud', `redis-cli -a ${PASSWORD} dbsize 2>&1`)).toContain('5000');
      const captured = await stasis(['capture', '-f', await document('cloud', { name: 'shop' }), '--json'], {
        cwd: folder,
      });
      expect(captured.stderr).not.toContain('PRIVATE KEY');
      expect({ status: captured.status, stderr: captured.status === 0 ? '' : captured.stderr }).toEqual({
        status: 0,
        stderr: '',
      });
      expect(captured.json()).toMatchObject({ sharp: true });

      const restored = await stasis(
        ['restore', 'shop', '-f', await document('sovereign'), '--store', join(folder, 'store'), '--json'],
        { cwd: folder },
      );
      expect({ status: restored.status, stderr: restored.status === 0 ? '' : restored.stderr }).toEqual({
        status: 0,
        stderr: '',
      });
      expect(restored.json()).toMatchObject({ verdict: 'equivalent' });
      expect(await psql('sovereign', 'SELECT count(*), max(item) FROM orders')).toBe(
        await psql('cloud', 'SELECT count(*), max(item) FROM orders'),
      );
      expect(await on(lab, 'sovereign', `redis-cli -a ${PASSWORD} get key4321 2>/dev/null`)).toBe(
        'value4321',
      );
      for (const host of ['cloud', 'sovereign'])
        expect(await on(lab, host, 'ls /run /tmp | grep stasis || true')).toBe('');
      expect((await readdir(tmpdir())).filter((name) => name === 'stasis-ssh')).toEqual([]);
    },
    PATIENCE_MS,
  );

  labTest(
    'what is wrong with a host is told at the line that names it, before anything is touched',
    async () => {
      const planned = async (ssh: object, more: object = {}) => {
        const file = await document('cloud', { name: 'shop', ...more }, ssh);
        const ran = await stasis(['plan', '-f', file], { cwd: folder });
        expect(ran.stderr + ran.stdout).not.toContain('PRIVATE KEY');
        expect(ran.status).not.toBe(0);
        return ran.stderr + ran.stdout;
      };
      expect(await planned({ hostKey: lab.hosts.sovereign.hostKey })).toMatch(
        /shows another key[\s\S]*members\.orders\.postgres\.host/,
      );
      expect(await planned({ user: 'nobody' })).toContain('refuses the login');
      expect(await planned({ port: 2 })).toContain('cannot be reached by SSH');
      expect(await planned({}, { hosts: {} })).toContain('There is no host "cloud"');
      const files = { members: { receipts: { files: { path: '/srv', host: 'cloud' } } } };
      expect(await planned({}, files)).toContain('Files on cloud cannot be reached');
    },
    PATIENCE_MS,
  );
});
