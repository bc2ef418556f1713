import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect } from '@jest/globals';
import { HOST_NAMES, type HostName, type Lab } from '../../scripts/lab/lab.ts';
import { Place } from '../conformance/engine/desk.ts';
import type { HostModel, Program } from '../conformance/engine/program.ts';
import { holding, watched } from '../conformance/engine/watching.ts';
import type { Outcome, Prepared, Project, Verb, Way } from '../conformance/engine/way.ts';
import { HCL } from '../conformance/engine/ways/hcl.ts';
import { pulumiWay } from '../conformance/engine/ways/pulumi.ts';
import { YAML } from '../conformance/engine/ways/pulumi-yaml.ts';
import { terraformWay } from '../conformance/engine/ways/terraform.ts';
import { labOrReason } from '../support/lab.ts';
import { testUnless } from '../support/skipped.ts';
import { emptyShop, fillShop, ORDERS, on, psql, redis, SESSIONS, startServers } from './shop.ts';

const run = promisify(execFile);
const here = await labOrReason();
const PATIENCE_MS = 240_000;
/** At -v=9 the engine logs what it sends and gets before it looks at what of it is secret; nobody else can help that. */
const PULUMIS_OWN = /"msg":"(Unm|M)arshaling property for RPC\[/;
/** What our driver says at debug level while it copies. */
const OUR_LOG = 'the RDB is coming';
const SUM = 'SELECT count(*), max(item) FROM orders';

const TERRAFORM = terraformWay('Terraform', 'terraform', async () => HCL);
const OPENTOFU = terraformWay('OpenTofu', 'opentofu', async () => HCL);
const WAYS = [
  (await TERRAFORM.missing()) === undefined ? TERRAFORM : OPENTOFU,
  pulumiWay('Pulumi in YAML', YAML),
];

let lab: Lab;
/** Of the lab, another one that both hosts take as well, and one that they do not. */
const keys = { key: '', another_key: '', unknown_key: '' };

beforeAll(async () => {
  if (here.reason !== undefined) return;
  lab = await here.start();
  keys.key = await readFile(lab.keyFile, 'utf8');
  for (const name of ['another_key', 'unknown_key'] as const) {
    const file = join(lab.folder, name);
    await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', name, '-f', file]);
    keys[name] = await readFile(file, 'utf8');
  }
  const known = (await readFile(join(lab.folder, 'another_key.pub'), 'utf8')).trim();
  const add = `for home in /root /home/deploy; do echo "${known}" >> $home/.ssh/authorized_keys; done`;
  await Promise.all(HOST_NAMES.map((host) => on(lab, host, add)));
  await startServers(lab);
  await fillShop(lab);
}, PATIENCE_MS);
afterAll(async () => {
  await lab?.[Symbol.asyncDispose]();
}, PATIENCE_MS);

/** What cannot be seen of a key otherwise: the first line of an Ed25519 key is the same for all of them. */
function linesOf(key: string): string[] {
  return key.trim().split('\n').slice(2, -1);
}

function host(name: HostName, ssh: Partial<HostModel['ssh']> = {}): HostModel {
  const { address, hostKey } = lab.hosts[name];
  return { ssh: { address, hostKey, user: 'root', privateKey: { secret: 'key' }, ...ssh } };
}

const members = (name: string, second = name) => ({
  orders: { postgres: { url: { secret: 'orders' }, host: name } },
  sessions: { redis: { url: { secret: 'sessions' }, host: second } },
});

/** The shop on one host and its twin on the other. */
function shopOf(place: Place, cloud: Partial<HostModel['ssh']> = {}): Program {
  return {
    hosts: { cloud: host('cloud', cloud), sovereign: host('sovereign') },
    resources: [
      place.snapshot({ members: members('cloud') }),
      place.restore({ members: members('sovereign') }),
    ],
  };
}

for (const way of WAYS) await describeEngine(way);

async function describeEngine(way: Way): Promise<void> {
  const reason = here.reason ?? (await way.missing());
  const engineTest = testUnless(reason);
  describe(`hosts of the provider's configuration by ${way.name}`, () => {
    let folder: string;
    let prepared: Prepared;
    let project: Project;
    let place: Place;
    let before: readonly string[];
    const texts: string[] = [];
    const go = async (verb: Verb, program: Program, traced = false): Promise<Outcome> => {
      await project.write(program);
      const outcome = await (await project.start(verb, { traced, logged: traced })).finished;
      texts.push(...outcome.text.split('\n').filter((line) => !PULUMIS_OWN.test(line)));
      return outcome;
    };
    const well = async (...args: Parameters<typeof go>): Promise<Outcome> => {
      const outcome = await go(...args);
      expect(outcome.succeeded ? '' : outcome.text).toBe('');
      return outcome;
    };

    beforeAll(async () => {
      if (reason !== undefined) return;
      before = await readdir(tmpdir());
      folder = await mkdtemp(join(tmpdir(), 'stasis-hosts-'));
      place = new Place(join(folder, 'place'));
      await mkdir(join(folder, 'project'));
      prepared = await way.prepare();
      project = await prepared.open(join(folder, 'project'), {
        ...keys,
        orders: ORDERS,
        sessions: SESSIONS,
      });
      await emptyShop(lab, 'sovereign');
    }, PATIENCE_MS);
    afterAll(async () => {
      await project?.[Symbol.asyncDispose]();
      await prepared?.[Symbol.asyncDispose]();
      if (folder !== undefined) await rm(folder, { recursive: true, force: true });
    }, PATIENCE_MS);

    engineTest(
      'what is wrong with one is told by the plan, at the attribute that names it',
      async () => {
        const hosts = {
          cloud: host('cloud'),
          swapped: host('cloud', { hostKey: lab.hosts.sovereign.hostKey }),
          strange: host('cloud', { privateKey: { secret: 'unknown_key' } }),
        };
        const told = async (first: string, second: string) => {
          const program = { hosts, resources: [place.snapshot({ members: members(first, second) })] };
          const { succeeded, problems, text } = await go('plan', program);
          expect(succeeded).toBe(false);
          expect(text).toMatch(new RegExp(`host \\\\*"?${first}`));
          return problems.map(({ at, code }) => `${at}: ${code}`).sort();
        };
        expect(await told('nowhere', 'cloud')).toEqual(['members.orders.postgres.host: member.no-host']);
        expect(await told('swapped', 'strange')).toEqual([
          'members.orders.postgres.host: host.key-mismatch',
          'members.sessions.redis.host: host.login-refused',
        ]);
      },
      PATIENCE_MS,
    );

    engineTest(
      'members are captured on one and restored on the other, and the private key shows nowhere',
      async () => {
        expect((await well('plan', shopOf(place), true)).actions).toMatchObject({ shop: 'create' });
        const [, commands] = await watched(well('apply', shopOf(place), true));
        expect(await project.remembered('shop')).toMatchObject({ generation: 1, sharp: true });
        expect(await project.remembered('twin')).toMatchObject({ verdict: 'equivalent' });
        expect(await psql(lab, 'sovereign', SUM)).toBe(await psql(lab, 'cloud', SUM));
        expect(await redis(lab, 'sovereign', 'get key4321')).toBe('value4321');
        expect((await well('plan', shopOf(place))).actions).toEqual({});

        const log = await readFile(join(folder, 'project/trace.log'), 'utf8').catch(() => '');
        expect([...texts, log].some((text) => text.includes(OUR_LOG))).toBe(true);
        // The watch has seen the client of SSH, whose arguments name the host.
        const { address } = lab.hosts.cloud;
        expect([...commands].some((line) => /\bssh\b/.test(line) && line.includes(address))).toBe(true);
        expect(await readdir(join(folder, 'project'))).toContainEqual(expect.stringContaining('plan'));
        expect(await leftBehind(before, linesOf(keys.key))).toEqual([]);
        for (const line of linesOf(keys.key)) {
          expect([...commands, ...texts].filter((text) => text.includes(line))).toEqual([]);
          expect(await holding(folder, line)).toEqual([]);
        }
        expect((await holding(join(folder, 'project'), address)).length).toBeGreaterThan(0);
        for (const name of HOST_NAMES) {
          expect(
            await on(lab, name, `grep -rlF -e "$1" /run /tmp /root /home || true`, linesOf(keys.key)[0]!),
          ).toBe('');
          expect(await on(lab, name, 'ls /run /tmp | grep stasis || true')).toBe('');
        }
      },
      PATIENCE_MS,
    );

    engineTest(
      'another login captures nothing anew, another address does',
      async () => {
        const first = await project.remembered('shop');
        const login = shopOf(place, { user: 'deploy', privateKey: { secret: 'another_key' } });
        expect((await well('plan', login)).actions).toEqual({});
        await well('apply', login);
        expect(await place.generations('shop')).toEqual([1]);
        expect(await project.remembered('twin')).toMatchObject({ verdict: 'equivalent' });

        const { address, hostKey } = lab.hosts.sovereign;
        const moved = shopOf(place, { address, hostKey });
        expect((await well('plan', moved)).actions).toMatchObject({ shop: 'update' });
        await well('apply', moved);
        expect(await place.generations('shop')).toEqual([1, 2]);
        expect(await project.remembered('twin')).toMatchObject({ reference: first?.reference });
        expect((await well('plan', moved)).actions).toEqual({});

        for (const key of Object.values(keys))
          for (const line of linesOf(key)) {
            expect(texts.filter((text) => text.includes(line))).toEqual([]);
            expect(await holding(folder, line)).toEqual([]);
          }
      },
      PATIENCE_MS,
    );
  });
}

/** Files with one of these texts among what is new where temporary files are. Other tests' come and go meanwhile. */
async function leftBehind(before: readonly string[], texts: readonly string[]): Promise<string[]> {
  const fresh = (await readdir(tmpdir())).filter((name) => !before.includes(name));
  const patterns = texts.flatMap((text) => ['-e', text]);
  const argv = ['-rlF', '--devices=skip', ...patterns, '--', ...fresh.map((name) => join(tmpdir(), name))];
  const { stdout } = await run('grep', argv).catch((error: { stdout: string }) => error);
  return stdout.split('\n').filter((path) => path !== '');
}
