import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { providerDefinition } from '../../provider/composition/provider.ts';
import type { Context } from '../../provider/core/context.ts';
import { parsePublicKey, preAuthEncoding } from '../../provider/core/dsse.ts';
import { StasisError } from '../../provider/core/errors.ts';
import { parseReference } from '../../provider/core/reference.ts';
import type { Catalog, ResourceState, Values } from '../../provider/core/resource.ts';
import type { Store } from '../../provider/core/store.ts';
import { REPORT_SCHEMA } from '../../provider/report/schema.ts';
import { checkCertificates } from '../../provider/resources/drill-certificates.ts';
import { ociLayout } from '../../provider/stores/oci-layout/type.ts';
import { testContext } from '../support/context.ts';
import { type PostgresServer, startPostgres } from '../support/postgres-server.ts';
import { type RedisServer, startRedis } from '../support/redis-server.ts';

const run = promisify(execFile);
const context = testContext();

let folder: string;
let postgres: PostgresServer[];
let redis: RedisServer[];
let catalog: Catalog;
let photo: ResourceState;

const path = (name: string): string => join(folder, name);
const resource = (name: string) => catalog.resources.find((one) => one.name === name)!;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'stasis-drill-'));
  postgres = await Promise.all([startPostgres(), startPostgres()]);
  redis = await Promise.all([startRedis(), startRedis()]);
  await run('openssl', ['ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-out', path('ec.pem')]);
  await run('openssl', ['genpkey', '-algorithm', 'ed25519', '-out', path('ed.pem')]);
  for (const name of ['ec', 'ed'])
    await run('openssl', ['pkey', '-in', path(`${name}.pem`), '-pubout', '-out', path(`${name}.pub`)]);
  await postgres[0]!.query('CREATE DATABASE shop');
  await postgres[0]!.query(
    `CREATE ROLE clerk; CREATE TABLE orders (id bigserial PRIMARY KEY, what text); ALTER TABLE orders OWNER TO clerk;
     INSERT INTO orders (what) SELECT 'order ' || n FROM generate_series(1, 500) n`,
    { database: 'shop' },
  );
  await redis[0]!.feed(`${Array.from({ length: 200 }, (_, n) => `SET cart:${n} item-${n}`).join('\n')}\n`);
  await mkdir(path('receipts'));
  await writeFile(path('receipts/1.txt'), 'receipt\n');
  catalog = providerDefinition('test').catalog({ store: { path: path('store') } });
  photo = await resource('Snapshot').apply({ inputs: snapshotInputs() }, context);
}, 240_000);

afterAll(async () => {
  await Promise.all([...(postgres ?? []), ...(redis ?? [])].map((server) => server.stop()));
  await rm(folder, { recursive: true, force: true });
});

function snapshotInputs(more: Values = {}): Values {
  return {
    name: 'shop',
    members: {
      orders: { postgres: { url: postgres[0]!.url('shop') } },
      carts: { redis: { url: redis[0]!.url } },
      receipts: { files: { path: path('receipts') } },
    },
    probes: { orders: { member: 'orders', sql: 'SELECT count(*) FROM orders' } },
    ...more,
  };
}

function drillInputs(more: Values = {}): Values {
  return {
    snapshot: photo.outputs.reference,
    members: {
      orders: { postgres: { url: postgres[1]!.url('scratch') } },
      carts: { redis: { url: redis[1]!.url } },
      receipts: { files: { path: path('scratch') } },
    },
    sign: { keyFile: path('ec.pem') },
    ...more,
  };
}

const rehearse = (more: Values = {}): Promise<ResourceState> =>
  resource('Drill').apply({ inputs: drillInputs(more) }, context);

/** What is on the scratch targets, and beside them. */
async function scratch(): Promise<unknown> {
  return {
    databases: await postgres[1]!.query('SELECT datname FROM pg_database ORDER BY 1'),
    roles: await postgres[1]!.query("SELECT rolname FROM pg_roles WHERE rolname !~ '^pg_' ORDER BY 1"),
    redis: await redis[1]!.cli('INFO', 'keyspace'),
    files: (await readdir(folder)).filter((name) => name.includes('scratch')),
  };
}

const openStore = (): Promise<Store> => ociLayout.open({ path: path('store') }, context);
const digestOf = (state: ResourceState) => parseReference(String(state.outputs.reference)).digest!;

async function codeOf(work: Promise<unknown>): Promise<[string, string]> {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof StasisError)) throw error ?? new Error('nothing was thrown');
  return [error.code, error.at.join('.')];
}

test('a drill measures and compares everything, leaves its certificate, and nothing else', async () => {
  const before = await scratch();
  const drill = await rehearse({ report: path('drill.json') });
  expect(drill.outputs).toMatchObject({
    verdict: 'equivalent',
    passed: true,
    differences: [],
    probeResults: { orders: { outcome: 'equal' } },
    results: {
      orders: { verdict: 'equivalent' },
      carts: { verdict: 'equivalent' },
      receipts: { verdict: 'identical' },
    },
  });
  expect(drill.outputs.restoreMs).toBeGreaterThan(0);
  expect(drill.outputs.teardownMs).toBeGreaterThan(0);
  expect(await scratch()).toEqual(before);
  const report = REPORT_SCHEMA.parse(JSON.parse(await readFile(path('drill.json'), 'utf8')));
  expect(report.outcome).toMatchObject({ verdict: 'equivalent' });
  expect(report.probes).toMatchObject([{ name: 'orders', restored: { outcome: 'equal' } }]);
  const store = await openStore();
  expect((await store.name('shop'))?.pins).toEqual([]);
  expect((await store.verifyAll('content', context)).findings).toEqual([]);
  expect(await resource('Drill').read(drill, context)).toMatchObject({ problems: [] });
  const imported = await resource('Drill').importState(drill.id, context);
  expect(imported.outputs).toMatchObject({ reference: photo.outputs.reference, verdict: 'equivalent' });
  const found = await catalog.functions[0]!.call({ snapshot: 'shop' }, context);
  expect(found).toMatchObject({ drillVerdict: 'equivalent', drilledAt: drill.outputs.drilledAt });
}, 240_000);

/** Verifies an envelope with nothing of ours but the encoding, which is held against the specification's example below. */
async function opensslVerifies(envelope: string, publicKey: string, isEd25519: boolean): Promise<boolean> {
  const { payload, payloadType, signatures } = JSON.parse(envelope) as {
    payload: string;
    payloadType: string;
    signatures: { sig: string }[];
  };
  await writeFile(path('pae'), preAuthEncoding(payloadType, Buffer.from(payload, 'base64')));
  await writeFile(path('sig'), Buffer.from(signatures[0]!.sig, 'base64'));
  const how = isEd25519 ? ['-rawin'] : ['-rawin', '-digest', 'sha256'];
  const args = ['pkeyutl', '-verify', '-pubin', '-inkey', publicKey, ...how];
  return run('openssl', [...args, '-in', path('pae'), '-sigfile', path('sig')]).then(
    () => true,
    () => false,
  );
}

test('the pre-authentication encoding is that of the specification', () => {
  // https://github.com/secure-systems-lab/dsse/blob/master/protocol.md, "Test Vectors".
  expect(preAuthEncoding('http://example.com/HelloWorld', Buffer.from('hello world')).toString()).toBe(
    'DSSEv1 29 http://example.com/HelloWorld 11 hello world',
  );
});

test.each([
  ['ECDSA P-256', 'ec', false],
  ['Ed25519', 'ed', true],
])(
  'openssl verifies a certificate signed with %s, and no flipped bit of it',
  async (_name, key, isEd25519) => {
    const files = path('only-files');
    await mkdir(files, { recursive: true });
    const drill = await rehearse({ sign: { keyFile: path(`${key}.pem`) } });
    const certificate = String(drill.outputs.certificate);
    expect(await opensslVerifies(certificate, path(`${key}.pub`), isEd25519)).toBe(true);
    expect(await opensslVerifies(certificate, path(`${key === 'ec' ? 'ed' : 'ec'}.pub`), !isEd25519)).toBe(
      false,
    );
    const envelope = JSON.parse(certificate) as { payload: string; signatures: { sig: string }[] };
    const statement = JSON.parse(Buffer.from(envelope.payload, 'base64').toString('utf8'));
    expect(statement).toMatchObject({
      _type: 'https://in-toto.io/Statement/v1',
      subject: [{ name: 'shop', digest: { sha256: digestOf(photo).slice(7) } }],
      predicate: { verdict: 'equivalent', passed: true, probes: { orders: 'equal' } },
    });
    const flipped = (text: string, bit: number): string => {
      const bytes = Buffer.from(text, 'base64');
      bytes[bit >> 3] = bytes[bit >> 3]! ^ (1 << (bit & 7));
      return bytes.toString('base64');
    };
    const payloadBits = Buffer.from(envelope.payload, 'base64').length * 8;
    for (const bit of [0, payloadBits >> 1, payloadBits - 1]) {
      const forged = JSON.stringify({ ...envelope, payload: flipped(envelope.payload, bit) });
      expect(await opensslVerifies(forged, path(`${key}.pub`), isEd25519)).toBe(false);
    }
    const forged = { ...envelope, signatures: [{ sig: flipped(envelope.signatures[0]!.sig, 77) }] };
    expect(await opensslVerifies(JSON.stringify(forged), path(`${key}.pub`), isEd25519)).toBe(false);

    const store = await openStore();
    const [newest] = await checkCertificates(
      store,
      digestOf(photo),
      parsePublicKey(await readFile(path(`${key}.pub`), 'utf8')),
    );
    expect(newest).toMatchObject({ signed: true, facts: { verdict: 'equivalent' } });
  },
  120_000,
);

test('a command signs in the place of a key, and what it gives is checked at once', async () => {
  const script = path('kms.sh');
  // As a key management service would: it gets what is to be signed, and never gives its key away.
  await writeFile(
    script,
    `cat > '${path('kms.in')}'\nopenssl pkeyutl -sign -inkey '${path('ed.pem')}' -rawin -in '${path('kms.in')}' | base64 -w 0\n`,
  );
  const command = ['sh', script];
  const drill = await rehearse({ sign: { command, publicKeyFile: path('ed.pub') } });
  expect(await opensslVerifies(String(drill.outputs.certificate), path('ed.pub'), true)).toBe(true);
  const wrong = rehearse({ sign: { command, publicKeyFile: path('ec.pub') } });
  expect(await codeOf(wrong)).toEqual(['sign.wrong-signature', 'sign']);
  expect(await codeOf(rehearse({ sign: { command: ['false'], publicKeyFile: path('ed.pub') } }))).toEqual([
    'sign.refused',
    'sign.command',
  ]);
}, 240_000);

test('what would keep it from being signed or restored is told by the plan, at the attribute', async () => {
  const plan = async (more: Values): Promise<string[][]> => {
    const { problems } = await resource('Drill').plan({ inputs: drillInputs(more) }, context);
    return problems
      .filter(({ severity }) => severity === 'error')
      .map(({ code, at }) => [code, at.join('.')]);
  };
  expect(await plan({})).toEqual([]);
  expect(await plan({ sign: { keyFile: path('nowhere.pem') } })).toEqual([['sign.key', 'sign.keyFile']]);
  expect(await plan({ sign: { keyFile: path('ec.pub') } })).toEqual([['sign.key', 'sign.keyFile']]);
  expect(await plan({ sign: {} })).toEqual([['sign.not-one', 'sign']]);
  expect(await plan({ sign: { command: ['true'] } })).toEqual([['sign.not-one', 'sign.command']]);
  expect(await plan({ maxAge: 'a month' })).toEqual([['age.malformed', 'maxAge']]);
  await run('openssl', ['genrsa', '-out', path('rsa.pem'), '2048']);
  expect(await plan({ sign: { keyFile: path('rsa.pem') } })).toEqual([['dsse.key-type', 'sign.keyFile']]);
});

test('a target that is not empty is refused, and what is in it stays', async () => {
  await redis[1]!.cli('SET', 'mine', '1');
  expect(await codeOf(rehearse())).toEqual(['restore.target-not-empty', 'members.carts.redis']);
  expect(await redis[1]!.cli('GET', 'mine')).toBe('1');
  await redis[1]!.cli('DEL', 'mine');
});

test('drift fails it, and the certificate says so', async () => {
  const probes = { port: { member: 'orders', sql: "SELECT current_setting('port')" } };
  const drifting = await resource('Snapshot').apply(
    { inputs: snapshotInputs({ name: 'drifting', probes }) },
    context,
  );
  const before = await scratch();
  const snapshot = drifting.outputs.reference;
  expect(await codeOf(rehearse({ snapshot }))).toEqual(['drill.drifted', 'verify']);
  expect(await scratch()).toEqual(before);
  const key = parsePublicKey(await readFile(path('ec.pub'), 'utf8'));
  const checked = await checkCertificates(await openStore(), digestOf(drifting), key);
  expect(checked).toMatchObject([
    {
      signed: true,
      facts: { verdict: 'drifted', passed: false, differenceCount: 1, probes: { port: 'different' } },
    },
  ]);
}, 240_000);

/** A folder alone: what these look at is not how a database is restored. */
const ofFiles = (name: string, more: Values = {}): Values => ({
  name,
  members: { receipts: { files: { path: path('receipts') } } },
  ...more,
});
const intoFiles = (snapshot: unknown, more: Values = {}): Values => ({
  ...{ snapshot, sign: { keyFile: path('ec.pem') } },
  members: { receipts: { files: { path: path('scratch-files') } } },
  ...more,
});

/** So many days from now. */
function inDays(days: number): Context {
  const { clock } = context;
  return {
    ...context,
    clock: { nowNs: () => clock.nowNs(), wallMs: () => clock.wallMs() + days * 86_400_000 },
  };
}

test('a plan says when a new drill is due, and warns of a snapshot that was never rehearsed', async () => {
  const fresh = await resource('Snapshot').apply({ inputs: ofFiles('fresh') }, context);
  const warnings = async (maxDrillAge: string, at: Context): Promise<string[]> => {
    const inputs = ofFiles('fresh', { maxDrillAge });
    const { problems, action } = await resource('Snapshot').plan({ prior: fresh, inputs }, at);
    expect(action).toBe('update');
    return problems.map(({ code }) => code);
  };
  expect(await warnings('40d', context)).toEqual(['snapshot.never-drilled']);

  const inputs = intoFiles('fresh', { maxAge: '30d' });
  const drill = await resource('Drill').apply({ inputs }, context);
  expect(await warnings('40d', inDays(39))).toEqual([]);
  expect(await warnings('40d', inDays(41))).toEqual(['snapshot.drill-too-old']);
  expect(await resource('Drill').plan({ prior: drill, inputs }, inDays(29))).toMatchObject({
    action: 'none',
  });
  const due = await resource('Drill').plan({ prior: drill, inputs }, inDays(31));
  expect(due.action).toBe('update');
  expect(due.problems).toMatchObject([{ code: 'drill.due', severity: 'warning', at: ['maxAge'] }]);
  const again = await resource('Drill').apply({ prior: drill, inputs }, inDays(31));
  expect(again.outputs.certificateDigest).not.toBe(drill.outputs.certificateDigest);
  expect(again.id).toBe(drill.id);
  // What "fresh" stands for has moved: that one was never rehearsed.
  const next = { ...ofFiles('fresh'), triggers: { again: '1' } };
  await resource('Snapshot').apply({ prior: fresh, inputs: next }, context);
  expect(await resource('Drill').plan({ prior: drill, inputs }, context)).toMatchObject({ action: 'update' });
}, 240_000);

test('certificates go with their snapshot, and every flipped byte of one is found', async () => {
  const inputs = ofFiles('pruned', { keep: 1 });
  const first = await resource('Snapshot').apply({ inputs }, context);
  const drill = await resource('Drill').apply({ inputs: intoFiles('pruned') }, context);
  const store = await openStore();
  const certificate = String(drill.outputs.certificateDigest);
  const blob = path(`store/blobs/sha256/${certificate.slice(7)}`);
  const manifest = JSON.parse(await readFile(blob, 'utf8')) as { layers: { digest: string }[] };
  const layer = path(`store/blobs/sha256/${manifest.layers[0]!.digest.slice(7)}`);
  const index = path('store/index.json');
  const listed = (await readFile(index, 'utf8')).indexOf(certificate);
  for (const [file, places] of [
    [blob, [0, 200, 400]],
    [layer, [0, 500, 900]],
    [index, [listed - 60, listed - 20, listed + 10, listed + 75]],
  ] as const) {
    const bytes = await readFile(file);
    for (const at of places) {
      const changed = Buffer.from(bytes);
      changed[at] = changed[at]! ^ 1;
      await writeFile(file, changed);
      const { findings } = await store.verifyAll('content', context);
      expect([file, at, findings.length]).not.toEqual([file, at, 0]);
    }
    await writeFile(file, bytes);
  }
  expect((await store.verifyAll('content', context)).findings).toEqual([]);
  await resource('Snapshot').apply(
    { prior: first, inputs: { ...inputs, triggers: { again: '1' } } },
    context,
  );
  const blobs = await readdir(path('store/blobs/sha256'));
  expect(blobs).not.toContain(certificate.slice(7));
  expect(blobs).not.toContain(digestOf(first).slice(7));
  expect(await readFile(index, 'utf8')).not.toContain(certificate);
  expect((await store.verifyAll('content', context)).findings).toEqual([]);
}, 240_000);
