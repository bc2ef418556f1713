import { startPlugin } from '../../../provider/engines/pulumi/plugin.ts';
import { pulumiSchemaJson } from '../../../scripts/generate/pulumi/schema.ts';
import { photoProvider } from '../terraform/photo-provider.ts';

/** The photo provider as a plugin that the real engine starts. */
await startPlugin({
  load: async () => photoProvider(),
  schema: async () => JSON.stringify(pulumiSchemaJson(photoProvider())),
});
