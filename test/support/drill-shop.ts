import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll } from '@jest/globals';
import { providerDefinition } from '../../provider/composition/provider.ts';
import { StasisError } from '../../provider/core/errors.ts';
import { parseReference } from '../../provider/core/reference.ts';
import type { Catalog, ResourceState, Values } from '../../provider/core/resource.ts';
import type { Store } from '../../provider/core/store.ts';
import { ociLayout } from '../../provider/stores/oci-layout/type.ts';
import { testContext } from './context.ts';
import { type PostgresServer, startPostgres } from './postgres-server.ts';
import { type RedisServer, startRedis } from './redis-server.ts';

export const run = promisify(execFile);
export const context = testContext();

/** A shop that was photographed, empty servers to rehearse on, and keys to sign with; of one test file. */
export function drillShop() {
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
    await postgres[0]!.query('CREATE EXTENSION pg_buffercache');
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

  return {
    ...{ path, resource, snapshotInputs, drillInputs, rehearse, scratch, openStore },
    get postgres() {
      return postgres;
    },
    get redis() {
      return redis;
    },
    get catalog() {
      return catalog;
    },
    get photo() {
      return photo;
    },
  };
}

export const digestOf = (state: ResourceState) => parseReference(String(state.outputs.reference)).digest!;

/** The code and the place of what it fails with. */
export async function codeOf(work: Promise<unknown>): Promise<[string, string]> {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof StasisError)) throw error ?? new Error('nothing was thrown');
  return [error.code, error.at.join('.')];
}
