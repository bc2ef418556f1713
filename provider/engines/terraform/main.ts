import { projectOwner } from './owner.ts';
import { startPlugin } from './plugin.ts';
import { readEncodedSchema } from './schema/encoded.ts';

/** The plugin that Terraform and OpenTofu start. What the provider is made of loads with the first call that needs it. */
await startPlugin({
  load: async () => {
    const { providerDefinition } = await import('../../composition/provider.ts');
    return providerDefinition(projectOwner(process.cwd(), process.env));
  },
  schema: () => readEncodedSchema(import.meta.dirname),
});
