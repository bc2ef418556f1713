import { projectOwner } from './owner.ts';
import { startPlugin } from './plugin.ts';

/** The plugin that Terraform and OpenTofu start. What the provider is made of loads while the engine connects. */
await startPlugin(async () => {
  const { providerDefinition } = await import('../../composition/provider.ts');
  return providerDefinition(projectOwner(process.cwd(), process.env));
});
