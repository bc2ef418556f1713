import { startPlugin } from './plugin.ts';

/** The plugin that Pulumi's engine starts. What the provider is made of loads once it is configured. */
await startPlugin({
  load: async (owner) => {
    const { providerDefinition } = await import('../../composition/provider.ts');
    return providerDefinition(owner);
  },
  schema: async () => {
    const { default: schema } = await import('../../../schema/pulumi.json', { with: { type: 'json' } });
    return JSON.stringify(schema);
  },
});
