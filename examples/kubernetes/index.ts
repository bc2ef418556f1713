// Carts in a Redis that a StatefulSet runs in one namespace, captured and brought back to life in another one.
// `pulumi up`, from where the cluster's services can be reached.
import * as kubernetes from '@pulumi/kubernetes';
import * as pulumi from '@pulumi/pulumi';
import * as stasis from '@stasis-iac/stasis';

const config = new pulumi.Config();
const PORT = 6379;

/** A Redis in a namespace of its own; what comes back is its URL. */
function carts(name: string): pulumi.Output<string> {
  const namespace = new kubernetes.core.v1.Namespace(name).metadata.name;
  const labels = { app: 'carts' };
  const service = new kubernetes.core.v1.Service(`${name}-carts`, {
    metadata: { name: 'carts', namespace },
    spec: { selector: labels, ports: [{ port: PORT }] },
  });
  const set = new kubernetes.apps.v1.StatefulSet(`${name}-carts`, {
    metadata: { name: 'carts', namespace },
    spec: {
      serviceName: service.metadata.name,
      replicas: 1,
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: {
          containers: [
            {
              name: 'redis',
              image: 'redis:7.4',
              args: ['--appendonly', 'yes'],
              ports: [{ containerPort: PORT }],
              volumeMounts: [{ name: 'data', mountPath: '/data' }],
              readinessProbe: { tcpSocket: { port: PORT } },
            },
          ],
        },
      },
      volumeClaimTemplates: [
        {
          metadata: { name: 'data' },
          spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
        },
      ],
    },
  });
  // The first pod of the set, by the name that its service gives it; the set's own name says that it is ready.
  const real = pulumi.interpolate`${set.metadata.name}-0.${service.metadata.name}.${namespace}.svc:${PORT}`;
  // Where this program runs outside of the cluster, the pod may be reached by `kubectl port-forward`: HOST:PORT.
  return real.apply((endpoint) => `redis://${config.get(`${name}Tunnel`) ?? endpoint}`);
}

const shop = new stasis.Snapshot('carts', {
  members: { carts: { redis: { url: carts('cloud') } } },
  store: { path: './snapshots' },
  triggers: { release: '2026.11' },
});

const twin = new stasis.Restore('twin', {
  snapshot: shop.reference,
  members: { carts: { redis: { url: carts('sovereign') } } },
  store: { path: './snapshots' },
});

export const reference = shop.reference;
export const verdict = twin.verdict;
