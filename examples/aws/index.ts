// A shop on two sides of AWS: orders in RDS, carts in ElastiCache, the shop itself on EC2. One program makes both
// sides, captures the first at one instant and brings it back to life on the second. `pulumi up`.
import * as aws from '@pulumi/aws';
import * as pulumi from '@pulumi/pulumi';
import * as stasis from '@stasis-iac/stasis';

const config = new pulumi.Config();
const password = config.requireSecret('databasePassword');

interface Side {
  readonly ordersUrl: pulumi.Output<string>;
  readonly cartsUrl: pulumi.Output<string>;
}

/** The databases of one side, and the machine that uses them. */
function side(name: string): Side {
  const orders = new aws.rds.Instance(`${name}-orders`, {
    identifier: `${name}-orders`,
    engine: 'postgres',
    engineVersion: '17',
    instanceClass: 'db.t4g.micro',
    allocatedStorage: 20,
    dbName: 'orders',
    username: 'shop',
    password,
    skipFinalSnapshot: true,
  });
  const carts = new aws.elasticache.Cluster(`${name}-carts`, {
    clusterId: `${name}-carts`,
    engine: 'valkey',
    nodeType: 'cache.t4g.micro',
    numCacheNodes: 1,
  });
  const cartsAt = carts.cacheNodes.apply(([node]) => `${node?.address}:${node?.port}`);
  // Where this program runs outside of the network, the databases may be reached by a tunnel: HOST:PORT.
  const reached = (tunnel: string, endpoint: pulumi.Output<string>) =>
    endpoint.apply((real) => config.get(tunnel) ?? real);
  const ordersUrl = pulumi.interpolate`postgres://shop:${password}@${reached(`${name}OrdersTunnel`, orders.endpoint)}/orders`;
  new aws.ec2.Instance(`${name}-shop`, {
    ami: config.require('ami'),
    instanceType: 't4g.small',
    userData: pulumi.interpolate`#!/bin/sh
exec /opt/shop --orders ${orders.endpoint} --carts ${cartsAt}
`,
  });
  return { ordersUrl, cartsUrl: pulumi.interpolate`redis://${reached(`${name}CartsTunnel`, cartsAt)}` };
}

const cloud = side('cloud');
const sovereign = side('sovereign');

const shop = new stasis.Snapshot('shop', {
  members: {
    orders: { postgres: { url: cloud.ordersUrl } },
    carts: { redis: { url: cloud.cartsUrl } },
  },
  store: { path: './snapshots' },
  triggers: { release: '2026.11' },
});

const twin = new stasis.Restore('twin', {
  snapshot: shop.reference,
  members: {
    orders: { postgres: { url: sovereign.ordersUrl } },
    carts: { redis: { url: sovereign.cartsUrl } },
  },
  store: { path: './snapshots' },
});

export const reference = shop.reference;
export const sharp = shop.sharp;
export const verdict = twin.verdict;
