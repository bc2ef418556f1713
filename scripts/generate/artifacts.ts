import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { providerDefinition } from '../../provider/composition/provider.ts';
import { MANIFEST_SCHEMA } from '../../provider/core/manifest-schema.ts';
import { DRIVERS } from '../../provider/drivers/registry.ts';
import { pulumiSchemaJson } from './pulumi/schema.ts';
import { referencePages } from './reference.ts';
import { terraformSchemaJson } from './terraform-schema.ts';

/** A folder in which everything is generated: what is there besides is stale. */
const REFERENCE = 'docs/reference';

/** Everything that is generated and committed: path in the repository and content. */
export function artifacts(): ReadonlyMap<string, string> {
  // Schemas depend neither on the owner nor on any configuration.
  const definition = providerDefinition('');
  return new Map([
    ['schema/terraform.json', json(terraformSchemaJson(definition))],
    ['schema/pulumi.json', json(pulumiSchemaJson(definition))],
    ['schema/manifest.schema.json', json(z.toJSONSchema(MANIFEST_SCHEMA))],
    ...[...referencePages(definition, DRIVERS)].map(([path, text]) => [join(REFERENCE, path), text] as const),
  ]);
}

/** Paths that differ from what is there: missing, changed, or no longer generated. */
export async function differences(root: string): Promise<readonly string[]> {
  const wanted = artifacts();
  const changed: string[] = [];
  for (const [path, content] of wanted)
    if ((await readFile(join(root, path), 'utf8').catch(() => undefined)) !== content) changed.push(path);
  const present = await readdir(join(root, REFERENCE), { recursive: true, withFileTypes: true }).catch(
    () => [],
  );
  const stale = present
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1))
    .filter((path) => !wanted.has(path));
  return [...changed, ...stale].sort();
}

function json(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}
