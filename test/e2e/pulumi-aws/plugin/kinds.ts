import { query } from './query.ts';

/** A resource's properties as the engine sends them. */
export type AwsInputs = Readonly<Record<string, unknown>>;

interface Kind {
  /** Whose change makes another resource. */
  readonly inputs: readonly string[];
  create(inputs: AwsInputs): Promise<{ readonly id: string; readonly outputs: AwsInputs }>;
  remove(id: string, properties: AwsInputs): Promise<void>;
}

/** By the token of @pulumi/aws. */
export const KINDS: Readonly<Record<string, Kind>> = {
  'aws:rds/instance:Instance': {
    inputs: ['identifier', 'engine', 'dbName', 'username'],
    async create(inputs) {
      const made = await query('rds', 'CreateDBInstance', {
        DBInstanceIdentifier: inputs.identifier,
        Engine: inputs.engine,
        EngineVersion: inputs.engineVersion,
        DBInstanceClass: inputs.instanceClass,
        AllocatedStorage: inputs.allocatedStorage,
        DBName: inputs.dbName,
        MasterUsername: inputs.username,
        MasterUserPassword: plain(inputs.password),
      });
      const [address, port] = [made('Address'), Number(made('Port'))];
      return { id: String(inputs.identifier), outputs: { address, port, endpoint: `${address}:${port}` } };
    },
    async remove(id) {
      await query('rds', 'DeleteDBInstance', { DBInstanceIdentifier: id, SkipFinalSnapshot: true });
    },
  },
  'aws:elasticache/cluster:Cluster': {
    inputs: ['clusterId', 'engine'],
    async create(inputs) {
      const made = await query('elasticache', 'CreateCacheCluster', {
        CacheClusterId: inputs.clusterId,
        Engine: inputs.engine,
        CacheNodeType: inputs.nodeType,
        NumCacheNodes: inputs.numCacheNodes,
      });
      const id = made('CacheClusterId');
      // moto tells no nodes; AWS names the first one so.
      const node = { id: '0001', address: `${id}.standin.0001.euc1.cache.amazonaws.com`, port: 6379 };
      return { id, outputs: { cacheNodes: [node] } };
    },
    async remove(id) {
      await query('elasticache', 'DeleteCacheCluster', { CacheClusterId: id });
    },
  },
  'aws:ec2/instance:Instance': {
    inputs: ['ami', 'instanceType'],
    async create(inputs) {
      const made = await query('ec2', 'RunInstances', {
        ImageId: inputs.ami,
        InstanceType: inputs.instanceType,
        UserData: Buffer.from(String(inputs.userData ?? '')).toString('base64'),
        MinCount: 1,
        MaxCount: 1,
      });
      return { id: made('instanceId'), outputs: { privateIp: made('privateIpAddress') } };
    },
    async remove(id) {
      await query('ec2', 'TerminateInstances', { 'InstanceId.1': id });
    },
  },
};

/** @pulumi/pulumi hands secrets over as they are on the wire: an object with the value in it. */
function plain(value: unknown): unknown {
  if (typeof value === 'object' && value !== null && 'value' in value) return value.value;
  return value;
}
