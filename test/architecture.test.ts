import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize, relative } from 'node:path';
import { describe, expect, test } from '@jest/globals';

const ROOT = join(import.meta.dirname, '..');

/**
 * Who may import whom. A rule's folder is the longest that fits the importing file; `own` is its own folder.
 * The composition roots alone know the registries.
 */
const RULES: Readonly<Record<string, readonly string[]>> = {
  'provider/core': ['own'],
  'provider/hosts': ['own', 'provider/core'],
  'provider/stores': ['own', 'provider/core'],
  'provider/runtime': ['own', 'provider/core'],
  'provider/drivers': ['own', 'provider/core', 'provider/runtime'],
  'provider/coordinator': ['own', 'provider/core'],
  'provider/report': ['own', 'provider/core'],
  'provider/resources': ['own', 'provider/core', 'provider/coordinator', 'provider/report'],
  'provider/engines': ['own', 'provider/core', 'provider/resources', 'provider/report'],
  'provider/composition': ['own', 'provider', 'package.json'],
  constructs: ['own', 'provider/core'],
};

/** Besides, no driver imports another one, and the entry points may import the composition root and what is generated. */
const ENTRY_POINTS = [
  'provider/engines/terraform/main.ts',
  'provider/engines/pulumi/main.ts',
  'provider/engines/cli/main.ts',
];

function sources(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts'))
    .map((name) => join(folder, name));
}

function importsOf(file: string, text: string): string[] {
  return [...text.matchAll(/(?:from|import)\s*\(?\s*['"](\.{1,2}\/[^'"]+)['"]/g)].map((match) =>
    normalize(join(dirname(file), match[1]!)),
  );
}

/** Why this import is wrong, or undefined. */
function fault(file: string, target: string): string | undefined {
  const folder = Object.keys(RULES)
    .filter((rule) => file.startsWith(`${rule}/`))
    .sort((a, b) => b.length - a.length)[0];
  if (folder === undefined) return `${file} lies in no folder of the table`;
  const own = [folder === 'provider/drivers' ? ownDriver(file) : folder];
  const allowed = [...RULES[folder]!.filter((entry) => entry !== 'own'), ...own];
  if (ENTRY_POINTS.includes(file)) allowed.push('provider/composition', 'schema');
  if (allowed.some((entry) => target.startsWith(`${entry}/`) || target === entry)) return undefined;
  return `${file} must not import ${target}`;
}

/** `provider/drivers/registry.ts` may import every driver; a driver only its own folder. */
function ownDriver(file: string): string {
  const parts = file.split('/');
  return parts.length === 3 ? 'provider/drivers' : parts.slice(0, 3).join('/');
}

describe('who may import whom', () => {
  test('every import in provider/ and constructs/ follows the table', () => {
    const files = [...sources('provider'), ...sources('constructs')];
    expect(files.length).toBeGreaterThan(10);
    const faults = files.flatMap((file) =>
      importsOf(file, readFileSync(join(ROOT, file), 'utf8'))
        .map((target) => fault(file, relative('.', target)))
        .filter((found) => found !== undefined),
    );
    expect(faults).toEqual([]);
  });

  test('a wrong import is found', () => {
    expect(fault('provider/core/x.ts', 'provider/stores/y.ts')).toBeDefined();
    expect(fault('provider/drivers/redis/driver.ts', 'provider/drivers/postgres/driver.ts')).toBeDefined();
    expect(fault('provider/drivers/redis/driver.ts', 'provider/stores/registry.ts')).toBeDefined();
    expect(fault('provider/coordinator/capture.ts', 'provider/drivers/registry.ts')).toBeDefined();
    expect(fault('provider/drivers/redis/driver.ts', 'provider/core/driver.ts')).toBeUndefined();
    expect(fault('provider/drivers/registry.ts', 'provider/drivers/redis/driver.ts')).toBeUndefined();
  });
});
