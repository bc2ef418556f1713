import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFile, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { promisify } from 'node:util';
import { build } from 'esbuild';
import { alone } from '../setup/cache.ts';

const ROOT = join(import.meta.dirname, '../..');
const SOURCE = join(ROOT, 'constructs');

/** The package of the constructs as it is published, made whole by `buildConstructs`. */
export const CONSTRUCTS_PACKAGE = join(ROOT, 'dist/constructs');

/** One entry point for each library; `#cdk` in the sources stands for it under the condition of its name. */
export const CDK_LIBRARIES = ['cdktf', 'cdktn'] as const;
export type CdkLibrary = (typeof CDK_LIBRARIES)[number];

/** What a program that uses the constructs has itself: one of the libraries, and what both stand on. */
const PEERS = { constructs: '^10.4.2', cdktf: '^0.21.0', cdktn: '^0.24.0' } as const;

const RECORD = '.build';

/**
 * Builds the package of the constructs when a source has changed since the last time; true when there was something to
 * do. CommonJS, as both libraries are: one file serves `require` and `import`, and there is one class of each name.
 */
export async function buildConstructs(): Promise<boolean> {
  return alone('build-constructs', async () => {
    const stamp = await stampOf();
    const record = join(CONSTRUCTS_PACKAGE, RECORD);
    if ((await readFile(record, 'utf8').catch(() => undefined)) === stamp) return false;
    await mkdir(dirname(CONSTRUCTS_PACKAGE), { recursive: true });
    const made = await mkdtemp(`${CONSTRUCTS_PACKAGE}-`);
    try {
      for (const library of CDK_LIBRARIES) {
        await bundleFor(library, join(made, library));
        await declareFor(library, join(made, library));
      }
      await writeFile(join(made, 'package.json'), await packageJson());
      await copyFile(join(SOURCE, 'README.md'), join(made, 'README.md'));
      await copyFile(join(ROOT, 'LICENSE'), join(made, 'LICENSE'));
      await writeFile(join(made, RECORD), stamp);
      await rm(CONSTRUCTS_PACKAGE, { recursive: true, force: true });
      await rename(made, CONSTRUCTS_PACKAGE);
    } finally {
      await rm(made, { recursive: true, force: true });
    }
    return true;
  });
}

async function bundleFor(library: CdkLibrary, folder: string): Promise<void> {
  await build({
    absWorkingDir: ROOT,
    entryPoints: [join(SOURCE, 'index.ts')],
    outfile: join(folder, 'index.js'),
    conditions: [library],
    external: Object.keys(PEERS),
    bundle: true,
    format: 'cjs',
    platform: 'node',
    target: 'node20',
    legalComments: 'none',
    logLevel: 'warning',
  });
}

/** Type declarations, with `#cdk` and the endings of our own imports as any TypeScript resolves them. */
async function declareFor(library: CdkLibrary, folder: string): Promise<void> {
  const out = join(folder, '.types');
  const options = [
    '--declaration',
    '--emitDeclarationOnly',
    '--noEmit',
    'false',
    '--outDir',
    out,
    '--rootDir',
    ROOT,
  ];
  const settings = join(folder, 'tsconfig.json');
  await writeFile(
    settings,
    JSON.stringify({
      extends: join(ROOT, 'tsconfig.json'),
      compilerOptions: { customConditions: [library], typeRoots: [join(ROOT, 'node_modules/@types')] },
      include: [join(SOURCE, 'index.ts')],
    }),
  );
  const tsc = join(ROOT, 'node_modules/typescript/bin/tsc');
  try {
    await promisify(execFile)(process.execPath, [tsc, '-p', settings, ...options], { cwd: ROOT });
  } catch (error) {
    throw new Error(`the types of the constructs for ${library}: ${(error as { stdout?: string }).stdout}`);
  }
  const emitted = join(out, 'constructs');
  for (const entry of await readdir(emitted, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const from = join(entry.parentPath, entry.name);
    const path = relative(emitted, from);
    const text = (await readFile(from, 'utf8'))
      .replaceAll(/(from ')(\.[^']+)\.ts'/g, "$1$2'")
      .replaceAll("'#cdk'", `'${dirname(path) === '.' ? './' : '../'}library/${library}'`);
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), text);
  }
  await rm(out, { recursive: true });
  await rm(settings);
}

async function packageJson(): Promise<string> {
  const { version, license } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8'));
  return `${JSON.stringify(
    {
      name: '@stasis-iac/constructs',
      version,
      description: 'Snapshot and Restore of running applications, for CDKTF and CDK Terrain',
      license,
      type: 'commonjs',
      // A folder each, so that TypeScript finds them also where it does not read this table.
      exports: {
        ...Object.fromEntries(
          CDK_LIBRARIES.map((library) => [
            `./${library}`,
            { types: `./${library}/index.d.ts`, default: `./${library}/index.js` },
          ]),
        ),
        './package.json': './package.json',
      },
      files: [...CDK_LIBRARIES],
      engines: { node: '>=20' },
      peerDependencies: PEERS,
      peerDependenciesMeta: { cdktf: { optional: true }, cdktn: { optional: true } },
    },
    undefined,
    2,
  )}\n`;
}

/** Of everything that goes into the package: equal exactly when it would come out the same. */
async function stampOf(): Promise<string> {
  const below = await readdir(SOURCE, { recursive: true, withFileTypes: true });
  const files = [
    ...below.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name)),
    ...['core/errors.ts', 'core/reference.ts', 'core/digest.ts'].map((name) => join(ROOT, 'provider', name)),
    ...['package.json', 'package-lock.json', 'tsconfig.json', 'scripts/build/constructs.ts'].map((name) =>
      join(ROOT, name),
    ),
  ];
  const hash = createHash('sha256');
  for (const file of files.sort()) hash.update(`${relative(ROOT, file)}\0`).update(await readFile(file));
  return hash.digest('hex');
}
