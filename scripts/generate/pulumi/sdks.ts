import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join, relative } from 'node:path';
import { promisify } from 'node:util';
import { ensureTool, type Missing } from '../../setup/tools.ts';
import { mendImports } from './imports.ts';
import { PYTHON_PACKAGE } from './languages.ts';

const runFile = promisify(execFile);

/** The languages for which SDKs are generated; YAML needs none. */
export const SDK_LANGUAGES = ['nodejs', 'python', 'go'] as const;

/** One SDK takes seconds; a machine that is busy with builds may take many times as long. */
const TIMEOUT_MS = 300_000;

/**
 * The SDKs that `pulumi package gen-sdk` makes of a package schema, by path below sdk/. Only the exact versions that
 * we build will do: another one generates another SDK of the same schema.
 */
export async function generateSdks(schema: string): Promise<ReadonlyMap<string, string> | Missing> {
  const pulumi = await ensureTool('pulumi', 'exact');
  if (typeof pulumi !== 'string') return pulumi;
  const hosts: string[] = [];
  for (const language of SDK_LANGUAGES) {
    const host = await ensureTool(`pulumi-language-${language}`, 'exact');
    if (typeof host !== 'string') return host;
    hosts.push(dirname(host));
  }
  const folder = await mkdtemp(join(tmpdir(), 'stasis-sdk-'));
  try {
    await writeFile(join(folder, 'schema.json'), schema);
    await mkdir(join(folder, 'home'));
    for (const language of SDK_LANGUAGES) await generate(pulumi, hosts, folder, language);
    return withPage(mendImports(await filesIn(join(folder, 'sdk'))));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function generate(
  pulumi: string,
  hosts: readonly string[],
  folder: string,
  language: string,
): Promise<void> {
  await runFile(
    pulumi,
    ['package', 'gen-sdk', join(folder, 'schema.json'), '--language', language, '--out', join(folder, 'sdk')],
    {
      cwd: folder,
      timeout: TIMEOUT_MS,
      env: {
        ...process.env,
        PATH: [...hosts, process.env.PATH ?? ''].join(delimiter),
        PULUMI_HOME: join(folder, 'home'),
        PULUMI_SKIP_UPDATE_CHECK: 'true',
        PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: 'true',
        PULUMI_DISABLE_REGISTRY_RESOLVE: 'true',
      },
    },
  );
}

/** The Python project names a page beside itself; the generator writes it into the package only. */
function withPage(files: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
  const page = files.get(`python/${PYTHON_PACKAGE}/README.md`);
  return page === undefined ? files : new Map([...files, ['python/README.md', page]]);
}

async function filesIn(folder: string): Promise<ReadonlyMap<string, string>> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const paths = entries
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
    .sort();
  const pairs = await Promise.all(
    paths.map(async (path) => [path, await readFile(join(folder, path), 'utf8')] as const),
  );
  return new Map(pairs);
}
