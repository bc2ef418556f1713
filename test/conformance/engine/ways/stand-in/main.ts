import provider from '@pulumi/pulumi/provider/index.js';
import { createDatabase } from './database.ts';

/**
 * A plugin in place of a cloud's: one resource, which makes a database when it is created. It is none that can tell
 * before what it will be, so its output `url` is unknown in a preview.
 */
const VERSION = '0.1.0';

const SCHEMA = {
  name: 'standin',
  version: VERSION,
  resources: {
    'standin:index:Database': {
      properties: { url: { type: 'string', secret: true } },
      required: ['url'],
      inputProperties: { wanted: { type: 'string', secret: true } },
      requiredInputs: ['wanted'],
    },
  },
};

await provider.main(
  {
    version: VERSION,
    schema: JSON.stringify(SCHEMA),
    check: async (_urn, _old, inputs: unknown) => ({ inputs, failures: [] }),
    diff: async () => ({ changes: false }),
    create: async (_urn, { wanted }: { readonly wanted: unknown }) => {
      const url = plain(wanted);
      await createDatabase(url);
      return { id: new URL(url).pathname.slice(1), outs: { wanted, url } };
    },
  },
  process.argv.slice(2),
);

/** A secret comes wrapped where the engine takes the plugin for one that knows secrets. */
function plain(value: unknown): string {
  if (typeof value === 'object' && value !== null && 'value' in value) return String(value.value);
  return String(value);
}
