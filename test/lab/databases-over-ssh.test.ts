import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect } from '@jest/globals';
import { stringify } from 'yaml';
import { HOST_NAMES } from '../../scripts/lab/lab.ts';
import { stasis } from '../e2e/cli/stasis.ts';
import { type Lab, labOrReason } from '../support/lab.ts';
import { testUnless } from '../support/skipped.ts';
import {
  fillShop,
  mariadb,
  ORDERS,
  on,
  psql,
  redis,
  SESSIONS,
  STOCK,
  startMariadbs,
  startServers,
} from './shop.ts';

const here = await labOrReason();
const labTest = testUnless(here.reason);
const PATIENCE_MS = 180_000;

/** The servers of the hosts listen on their own loopback only, and this machine's client programs have no part in it. */
describe('databases of hosts that are reached by SSH', () => {
  let lab: Lab;
  let folder: string;
  let key: string;
  beforeAll(async () => {
    if (here.reason !== undefined) return;
    lab = await here.start();
    key = await readFile(lab.keyFile, 'utf8');
    folder = await mkdtemp(join(tmpdir(), 'stasis-over-ssh-'));
    await Promise.all([startServers(lab), startMariadbs(lab)]);
  }, PATIENCE_MS);
  afterAll(async () => {
    await lab?.[Symbol.asyncDispose]();
    if (folder !== undefined) await rm(folder, { recursive: true, force: true });
  }, PATIENCE_MS);

  function hostOf(host: 'cloud' | 'sovereign') {
    const { address, hostKey } = lab.hosts[host];
    return { ssh: { address, user: 'root', privateKey: key, hostKey } };
  }

  async function document(host: 'cloud' | 'sovereign', more: object = {}, ssh: object = {}): Promise<string> {
    const file = join(folder, `${host}.yaml`);
    await writeFile(
      file,
      stringify({
        hosts: { [host]: { ssh: { ...hostOf(host).ssh, ...ssh } } },
        members: {
          orders: { postgres: { url: ORDERS, host } },
          sessions: { redis: { url: SESSIONS, host } },
          stock: { mariadb: { url: STOCK, host } },
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
      await fillShop(lab);
      await mariadb(
        lab,
        'cloud',
        'CREATE TABLE goods AS SELECT seq AS id, MD5(seq) AS name FROM seq_1_to_20000',
      );
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
      const sum = 'SELECT count(*), max(item) FROM orders';
      expect(await psql(lab, 'sovereign', sum)).toBe(await psql(lab, 'cloud', sum));
      expect(await redis(lab, 'sovereign', 'get key4321')).toBe('value4321');
      const goods = 'SELECT COUNT(*), MAX(name) FROM goods';
      expect(await mariadb(lab, 'sovereign', goods)).toBe(await mariadb(lab, 'cloud', goods));
      for (const host of HOST_NAMES)
        expect(await on(lab, host, 'ls /run /tmp | grep stasis || true')).toBe('');
      expect((await readdir(tmpdir())).filter((name) => name === 'stasis-ssh')).toEqual([]);
    },
    PATIENCE_MS,
  );

  labTest(
    'doctor says what can be captured on a host, and of one that cannot be looked at why',
    async () => {
      const file = await document('cloud', {
        hosts: {
          cloud: hostOf('cloud'),
          far: { ssh: { ...hostOf('cloud').ssh, port: 2 } },
        },
        members: {},
      });
      const ran = await stasis(['doctor', '-f', file, '--json'], { cwd: folder });
      const { hosts } = ran.json() as {
        hosts: {
          name: string;
          drivers: { name: string; found: { what: string }[]; problems: { code: string }[] }[];
          problems: { code: string }[];
        }[];
      };
      const [cloud, far] = hosts;
      const process = cloud?.drivers.find(({ name }) => name === 'process');
      expect(process?.found.map(({ what }) => what).join()).toMatch(/criu 4/);
      expect(process?.problems).toEqual([]);
      expect(cloud?.drivers.find(({ name }) => name === 'files')?.problems).toEqual([]);
      expect(far).toMatchObject({ name: 'far', drivers: [], problems: [{ code: 'host.unreachable' }] });
      const text = await stasis(['doctor', '-f', file], { cwd: folder });
      expect(text.stdout).toContain('process on cloud (runtime, data)');
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
      const files = { members: { receipts: { files: { path: 'receipts', host: 'cloud' } } } };
      expect(await planned({}, files)).toContain('The path of files on cloud is not absolute');
    },
    PATIENCE_MS,
  );
});
