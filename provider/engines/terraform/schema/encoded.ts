import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** The answer to GetProviderSchema as it goes over the wire, which the build puts beside the bundles. */
export const ENCODED_SCHEMA = 'terraform-schema.pb';

/**
 * The schema of this build, encoded; undefined where nothing was built. The engine starts the plugin once a command for
 * the schema alone: it is answered without loading what the schema is made of.
 */
export function readEncodedSchema(folder: string): Promise<Buffer | undefined> {
  return readFile(join(folder, ENCODED_SCHEMA)).catch(() => undefined);
}
