import { Server, ServerCredentials, type sendUnaryData, type UntypedHandleCall } from '@grpc/grpc-js';
import plugin from '@pulumi/pulumi/proto/plugin_pb.js';
import services from '@pulumi/pulumi/proto/provider_grpc_pb.js';
import provider from '@pulumi/pulumi/proto/provider_pb.js';
import empty from 'google-protobuf/google/protobuf/empty_pb.js';

/**
 * The smallest provider that can be written with Pulumi's own stubs, to measure ours against: one resource that takes
 * what it is given, checks nothing and never differs.
 */
const SCHEMA = {
  name: 'smallest',
  version: '0.1.0',
  resources: {
    'smallest:index:Thing': {
      properties: { name: { type: 'string' } },
      required: ['name'],
      inputProperties: { name: { type: 'string' } },
      requiredInputs: ['name'],
    },
  },
};

type Answer = (request: unknown) => unknown;

const handlers = {
  handshake: () => new provider.ProviderHandshakeResponse().setAcceptSecrets(true),
  getPluginInfo: () => new plugin.PluginInfo().setVersion(SCHEMA.version),
  getSchema: () => new provider.GetSchemaResponse().setSchema(JSON.stringify(SCHEMA)),
  checkConfig: (request: InstanceType<typeof provider.CheckRequest>) =>
    new provider.CheckResponse().setInputs(request.getNews()),
  diffConfig: () => none(),
  configure: () => new provider.ConfigureResponse().setAcceptsecrets(true).setSupportspreview(true),
  check: (request: InstanceType<typeof provider.CheckRequest>) =>
    new provider.CheckResponse().setInputs(request.getNews()),
  diff: () => none(),
  create: (request: InstanceType<typeof provider.CreateRequest>) =>
    new provider.CreateResponse().setId('thing').setProperties(request.getProperties()),
  delete: () => new empty.Empty(),
  cancel: () => new empty.Empty(),
};

function none() {
  return new provider.DiffResponse()
    .setChanges(provider.DiffResponse.DiffChanges.DIFF_NONE)
    .setHasdetaileddiff(true);
}

const served = Object.entries(handlers).map(([name, answer]): [string, UntypedHandleCall] => [
  name,
  (call: { readonly request: unknown }, respond: sendUnaryData<unknown>) =>
    respond(null, (answer as Answer)(call.request)),
]);
const server = new Server();
server.addService(services.ResourceProviderService, Object.fromEntries(served));
server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) => {
  if (error) throw error;
  process.stdout.write(`${port}\n`);
});
process.stdin.on('end', () => process.exit(0)).resume();
