import { providerDefinition } from '../../provider/composition/provider.ts';
import { providerSchema } from '../../provider/engines/terraform/schema/schema.ts';
import { encodeMessage } from '../../provider/engines/terraform/wire/codec.ts';

/** Prints what the Terraform plugin answers when it is asked for its schema: the same for every owner. */
process.stdout.write(
  encodeMessage('GetProviderSchema.Response', providerSchema(providerDefinition('nobody'))),
);
