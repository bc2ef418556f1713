import provider from '@pulumi/pulumi/provider/index.js';
import { type AwsInputs, KINDS } from './kinds.ts';

/**
 * A plugin in place of Pulumi's for AWS, which cannot be had from any package registry: enough of three resources for
 * the real classes of @pulumi/aws, over AWS's own protocol. Where it is spoken is AWS_ENDPOINT_URL.
 */
const VERSION = '7.48.0';

function kindOf(urn: string) {
  const type = urn.split('::')[2]?.split('$').at(-1) ?? '';
  const kind = KINDS[type];
  if (kind === undefined) throw new Error(`this stand-in for AWS has no ${type}`);
  return kind;
}

await provider.main(
  {
    version: VERSION,
    schema: JSON.stringify({ name: 'aws', version: VERSION }),
    check: async (_urn, _old, inputs: AwsInputs) => ({ inputs, failures: [] }),
    diff: async (_id, urn, old: AwsInputs, inputs: AwsInputs) => {
      const changed = kindOf(urn).inputs.filter(
        (name) => JSON.stringify(old[name]) !== JSON.stringify(inputs[name]),
      );
      return { changes: changed.length > 0, replaces: changed, deleteBeforeReplace: true };
    },
    create: async (urn, inputs: AwsInputs) => {
      const { id, outputs } = await kindOf(urn).create(inputs);
      return { id, outs: { ...inputs, ...outputs } };
    },
    delete: async (id, urn, properties: AwsInputs) => kindOf(urn).remove(id, properties),
  },
  process.argv.slice(2),
);
