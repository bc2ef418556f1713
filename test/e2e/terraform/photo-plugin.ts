import { startPlugin } from '../../../provider/engines/terraform/plugin.ts';
import { photoProvider } from './photo-provider.ts';

/** The photo provider as a plugin that a real engine starts. */
await startPlugin({ load: async () => photoProvider() });
