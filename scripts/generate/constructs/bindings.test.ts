import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { z } from 'zod';
import { providerDefinition } from '../../../provider/composition/provider.ts';
import type { ProviderDefinition } from '../../../provider/core/resource.ts';
import { constructBindings } from './bindings.ts';

const DEFINITION = providerDefinition('');

/** The same provider, configured with these fields besides. */
function withConfiguration(shape: Record<string, z.ZodType>): ProviderDefinition {
  return { ...DEFINITION, configuration: DEFINITION.configuration.extend(shape) };
}

test('one more property is typed, described, and written under its name in Terraform', () => {
  const bindings = constructBindings(
    withConfiguration({ dryRun: z.enum(['on', 'off']).optional().describe('Changes nothing.') }),
  );
  expect(constructBindings(DEFINITION)).not.toContain('dryRun');
  expect(bindings).toContain("export type DryRun = 'on' | 'off';");
  expect(bindings).toContain(
    '  /** Changes nothing. One of `on`, `off`. */\n  readonly dryRun?: DryRun | IResolvable;',
  );
  expect(bindings).toContain("  dryRun: { key: 'dry_run' },");
});

test('two types of one name are refused', () => {
  const other = z.object({ host: z.string().describe('Where.') }).meta({ typeName: 'Store' });
  expect(() => constructBindings(withConfiguration({ other: other.describe('Another.') }))).toThrow('Store');
});

test("every attribute of Terraform's schema can be given or read", async () => {
  const bindings = constructBindings(DEFINITION);
  const schema = await readFile(join(import.meta.dirname, '../../../schema/terraform.json'), 'utf8');
  const keys = [...schema.matchAll(/"(\w+)": \{\s+"(?:type|nested_type)":/g)].map((match) => match[1]!);
  expect(keys.length).toBeGreaterThan(50);
  expect(keys.filter((key) => !bindings.includes(`'${key}'`))).toEqual([]);
});
