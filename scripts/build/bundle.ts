import { execFile } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { basename, dirname, join, relative } from 'node:path';
import { promisify } from 'node:util';
import { type BuildOptions, build, type Metafile, type Plugin } from 'esbuild';
import { ENCODED_SCHEMA } from '../../provider/engines/terraform/schema/encoded.ts';

const runFile = promisify(execFile);

const ROOT = join(import.meta.dirname, '../..');
const DIST = join(ROOT, 'dist');

/** What is bundled: the name in dist/, and where its source begins. */
export const ENTRIES: Readonly<Record<string, string>> = {
  stasis: 'provider/engines/cli/main.ts',
  'terraform-provider-stasis': 'provider/engines/terraform/main.ts',
  'pulumi-resource-stasis': 'provider/engines/pulumi/main.ts',
  'pack-worker': 'provider/stores/pack/worker.ts',
  'redis-lease': 'provider/drivers/redis/follow/lease-process.ts',
};

/** Files beside the sources whose change makes another bundle. */
const SETTINGS = [
  'package.json',
  'package-lock.json',
  'scripts/build/bundle.ts',
  'scripts/build/terraform-schema.ts',
];

/** It loads all sources and makes a message of them; a machine may be busy. */
const SCHEMA_TIMEOUT_MS = 120_000;

/** Chunks of earlier builds are kept this long: a process that runs may still load one. */
const STALE_MS = 24 * 3_600_000;

/** Size and time of every file that went into the last build, and the files that came out. */
interface BuildRecord {
  readonly inputs: Readonly<Record<string, string>>;
  readonly outputs: readonly string[];
}

const RECORD = join(DIST, '.build.json');

/**
 * CommonJS packages in an ES module need a `require`. Names that no source would choose, as every chunk has them.
 */
const BANNER =
  "import { createRequire as stasisCreateRequire } from 'node:module'; const require = stasisCreateRequire(import.meta.url);";

/** zod brings its messages in fifty languages, half of its size; ours are in English. */
const ENGLISH_ONLY: Plugin = {
  name: 'english-only',
  setup: ({ onLoad }) => {
    onLoad({ filter: /zod\/v4\/locales\/index\.js$/ }, () => ({
      contents: "export { default as en } from './en.js';",
    }));
  },
};

/**
 * grpc-js brings a parser of .proto files for services of its own that nobody asks us for, which is a third of its size
 * and is read at every start of a plugin.
 */
const WITHOUT_PROTO_LOADER: Plugin = {
  name: 'without-proto-loader',
  setup: ({ onLoad }) => {
    onLoad({ filter: /@grpc\/proto-loader\/build\/src\/index\.js$/ }, () => ({
      contents: "throw new Error('the loader of .proto files is not bundled')",
    }));
  },
};

/** How everything of ours is bundled; the bench bundles what it is measured against in the same way. */
export const BUNDLING = {
  outExtension: { '.js': '.mjs' },
  chunkNames: 'chunk-[hash]',
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node24',
  external: ['pg-native'],
  banner: { js: BANNER },
  sourcemap: 'linked',
  sourcesContent: false,
  minifySyntax: true,
  minifyWhitespace: true,
  legalComments: 'none',
  plugins: [ENGLISH_ONLY, WITHOUT_PROTO_LOADER],
  logLevel: 'warning',
} satisfies BuildOptions;

/**
 * Bundles what changed since the last time. True when there was something to do. The record's own time is when the
 * sources were last looked at: bin/launch.sh compares it with theirs.
 */
export async function bundle(): Promise<boolean> {
  const startedAt = new Date();
  const stale = !(await upToDate());
  if (stale) await rebuild(startedAt);
  await utimes(RECORD, startedAt, startedAt);
  return stale;
}

async function rebuild(startedAt: Date): Promise<void> {
  const entries = Object.entries(ENTRIES);
  insistOnEntries(ENTRIES);
  const result = await build({
    absWorkingDir: ROOT,
    ...BUNDLING,
    entryPoints: entries.map(([out, source]) => ({ in: source, out })),
    outdir: 'dist',
    metafile: true,
    write: false,
  });
  await mkdir(DIST, { recursive: true });
  const schema = await terraformSchema();
  await put(join(DIST, ENCODED_SCHEMA), schema);
  for (const file of result.outputFiles) await put(file.path, file.contents);
  const outputs = [ENCODED_SCHEMA, ...result.outputFiles.map((file) => basename(file.path))];
  const inputs = inputsOf(result.metafile, startedAt);
  await put(RECORD, JSON.stringify({ inputs, outputs } satisfies BuildRecord));
  await dropStale(new Set(outputs));
}

/** By a process of its own: this one may have loaded the sources before they were changed. */
async function terraformSchema(): Promise<Buffer> {
  const args = ['--disable-warning=ExperimentalWarning', join(import.meta.dirname, 'terraform-schema.ts')];
  const { stdout } = await runFile(process.execPath, args, {
    encoding: 'buffer',
    timeout: SCHEMA_TIMEOUT_MS,
  });
  return stdout;
}

/** @throws Error that names the first source that is missing: a build without it would leave a launcher without its bundle */
export function insistOnEntries(entries: Readonly<Record<string, string>>): void {
  for (const [name, source] of Object.entries(entries))
    if (!existsSync(join(ROOT, source)))
      throw new Error(`${source}, where the bundle "${name}" begins, is not there`);
}

/** Whole or not at all: others may be starting from dist/ while we write. */
async function put(path: string, contents: Uint8Array | string): Promise<void> {
  const part = join(dirname(path), `.${basename(path)}.${process.pid}`);
  await writeFile(part, contents);
  await rename(part, path);
}

/** What was changed while we built may have been read before or after: it counts as changed. */
function inputsOf(metafile: Metafile, startedAt: Date): Record<string, string> {
  const files = [...Object.keys(metafile.inputs), ...SETTINGS];
  const changedMeanwhile = (file: string) => statSync(join(ROOT, file)).mtimeMs >= startedAt.getTime();
  return Object.fromEntries(files.map((file) => [file, changedMeanwhile(file) ? '' : stampOf(file)]));
}

function stampOf(file: string): string {
  const found = statSync(join(ROOT, file), { throwIfNoEntry: false });
  return found ? `${found.size} ${found.mtimeMs}` : 'absent';
}

async function upToDate(): Promise<boolean> {
  const text = await readFile(RECORD, 'utf8').catch(() => undefined);
  if (text === undefined) return false;
  const record: BuildRecord = JSON.parse(text);
  return (
    Object.entries(record.inputs).every(([file, stamp]) => stampOf(file) === stamp) &&
    record.outputs.every((name) => existsSync(join(DIST, name)))
  );
}

async function dropStale(wanted: ReadonlySet<string>): Promise<void> {
  for (const name of await readdir(DIST)) {
    if (wanted.has(name) || name === basename(RECORD)) continue;
    const path = join(DIST, name);
    const found = await stat(path);
    if (found.isFile() && Date.now() - found.mtimeMs > STALE_MS) await rm(path, { force: true });
  }
}

/** For people: which bundle is how large. */
export async function sizes(): Promise<readonly string[]> {
  return Promise.all(
    Object.keys(ENTRIES).map(async (name) => {
      const path = join(DIST, `${name}.mjs`);
      return `${relative(ROOT, path)} ${((await stat(path)).size / 1000).toFixed(0)} kB`;
    }),
  );
}
