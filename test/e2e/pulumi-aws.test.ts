import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { type PostgresServer, startPostgres } from '../support/postgres-server.ts';
import { type RedisServer, startRedis } from '../support/redis-server.ts';
import { startMoto } from './pulumi-aws/moto.ts';
import { installNode } from './pulumi-sdk/install.ts';
import { Program } from './pulumi-sdk/program.ts';
import { pulumiWithVenv } from './pulumi-sdk/tools.ts';

const PASSWORD = 'Pl4nted-on-both-sides';
/** An image that moto knows from the start. */
const AMI = 'ami-12c6146b';

interface Side {
  readonly orders: PostgresServer;
  readonly carts: RedisServer;
}

/** Real servers in the place of those that moto only pretends to have. */
async function startSide(scope: AsyncDisposableStack): Promise<Side> {
  const orders = scope.use(await startPostgres({ user: 'shop', password: PASSWORD }));
  await orders.query('CREATE DATABASE orders');
  return { orders, carts: scope.use(await startRedis()) };
}

const tunnels = (name: string, { orders, carts }: Side) => ({
  [`${name}OrdersTunnel`]: `127.0.0.1:${orders.port}`,
  [`${name}CartsTunnel`]: new URL(carts.url).host,
});

const pulumi = await pulumiWithVenv('nodejs');

if (typeof pulumi === 'string') test.skip(`RDS, ElastiCache and EC2 (${pulumi})`, () => {});
else
  test('RDS, ElastiCache and EC2 of @pulumi/aws feed Snapshot and Restore (a stand-in plugin over moto)', async () => {
    await using scope = new AsyncDisposableStack();
    const moto = scope.use(await startMoto());
    const [cloud, sovereign] = [await startSide(scope), await startSide(scope)];
    await cloud.orders.query(
      'CREATE TABLE orders (id int PRIMARY KEY); INSERT INTO orders SELECT generate_series(1, 300)',
      { database: 'orders' },
    );
    await cloud.carts.feed('SET cart:1 full');

    const program = scope.use(
      await Program.ofExample(pulumi, 'aws', { AWS_ENDPOINT_URL: moto.url, AWS_REGION: 'eu-central-1' }),
    );
    await program.usePlugin('aws', join(import.meta.dirname, 'pulumi-aws/plugin'));
    await installNode(program);
    await program.configure({
      ami: AMI,
      databasePassword: PASSWORD,
      ...tunnels('cloud', cloud),
      ...tunnels('sovereign', sovereign),
    });

    // Nothing is there yet, and what feeds the snapshot is unknown.
    const preview = await program.ok('preview');
    expect(preview.all).toContain('aws:rds:Instance');
    const up = await program.ok('up', '--yes', '--skip-preview');
    expect(await program.outputs()).toEqual({
      reference: expect.stringMatching(/^shop@sha256:/),
      sharp: true,
      verdict: 'equivalent',
    });
    expect(
      await sovereign.orders.query('SELECT count(*)::int AS n FROM orders', { database: 'orders' }),
    ).toEqual([{ n: 300 }]);
    expect(await sovereign.carts.feed('GET cart:1')).toContain('full');
    await program.ok('preview', '--expect-no-changes');

    const state = JSON.parse(await program.state());
    const types = state.deployment.resources.map(({ type }: { type: string }) => type);
    expect(types.filter((type: string) => type.startsWith('aws:')).sort()).toEqual([
      ...['aws:ec2/instance:Instance', 'aws:ec2/instance:Instance'],
      ...['aws:elasticache/cluster:Cluster', 'aws:elasticache/cluster:Cluster'],
      ...['aws:rds/instance:Instance', 'aws:rds/instance:Instance'],
    ]);
    for (const text of [preview.all, up.all, JSON.stringify(state)]) expect(text).not.toContain(PASSWORD);
    await program.ok('destroy', '--yes', '--skip-preview');
  }, 900_000);
