import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { access, chmod, constants, copyFile, mkdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { alone, cacheFolder } from './cache.ts';
import { atLeast, versionOf, which } from './programs.ts';
import { say } from './say.ts';

/**
 * The command lines of others that tests, demo and bench drive. Those with a module file in scripts/engines are built
 * by Go from its module proxy and kept in `<cache>/tools/NAME-VERSION/NAME`; the others must be on PATH.
 */
export type ToolName = keyof typeof TOOLS;

interface ToolKind {
  /** What it is called for people. */
  readonly title: string;
  /** The oldest version on PATH that will do; undefined: one on PATH never will. */
  readonly least?: string;
  /** It has no version of its own: one on PATH will do where it lies beside this tool. */
  readonly beside?: 'pulumi';
  readonly build?: Build;
}

interface Build {
  readonly version: string;
  readonly linkerFlags?: string;
  readonly tags?: string;
  /** Modules whose version the checksum database does not know; go.sum pins them all the same. */
  readonly unlisted?: string;
  /** A script that the program runs, and looks for beside itself: where it is in which module. */
  readonly script?: { readonly module: string; readonly path: string };
}

/** The newest revision of these hosts that the module proxy serves: that of 3.163.0. */
const HOST_BUILD = { version: '3.163.0', unlisted: 'github.com/pulumi/*' } as const satisfies Build;

const TOOLS = {
  terraform: { title: 'Terraform', least: '1.11.0' },
  tofu: {
    title: 'OpenTofu',
    least: '1.11.0',
    build: { version: '1.11.5', linkerFlags: '-X github.com/opentofu/opentofu/version.dev=no' },
  },
  oras: {
    title: 'oras',
    least: '1.3.0',
    build: {
      version: '1.3.0',
      linkerFlags: '-X oras.land/oras/internal/version.BuildMetadata=',
      unlisted: 'oras.land/*',
    },
  },
  pulumi: {
    title: 'Pulumi',
    least: '3.259.0',
    build: {
      version: '3.259.0',
      linkerFlags: '-X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=v3.259.0',
      tags: 'osusergo,grpcnotrace',
    },
  },
  'pulumi-language-nodejs': { title: "Pulumi's Node host", beside: 'pulumi', build: HOST_BUILD },
  'pulumi-language-python': {
    title: "Pulumi's Python host",
    beside: 'pulumi',
    build: {
      ...HOST_BUILD,
      script: {
        module: 'github.com/pulumi/pulumi/sdk/v3',
        path: 'python/cmd/pulumi-language-python-exec',
      },
    },
  },
  'pulumi-language-go': { title: "Pulumi's Go host", beside: 'pulumi', build: HOST_BUILD },
  'pulumi-language-yaml': { title: "Pulumi's YAML host", beside: 'pulumi', build: { version: '1.38.1' } },
  // Figures are told against this one version, so one on PATH will not do.
  restic: { title: 'restic', build: { version: '0.19.1' } },
} as const satisfies Record<string, ToolKind>;

/** A tool that is not to be had on this machine, and why. */
export interface Missing {
  readonly tool: string;
  readonly reason: string;
}

/**
 * Which of a tool's versions will do: `suitable` is any that is new enough, `exact` is only what we build ourselves,
 * where what the tool makes is committed.
 */
export type Wanted = 'suitable' | 'exact';

/** The path of a tool that is here already, without building anything. */
export async function findTool(name: ToolName, wanted: Wanted = 'suitable'): Promise<string | Missing> {
  const kind: ToolKind = TOOLS[name];
  if (wanted === 'exact') return findBuilt(name, kind);
  if (kind.beside !== undefined) return findBeside(name, kind, kind.beside);
  const onPath = kind.least === undefined ? undefined : await which(name);
  const version = onPath && (await versionOf(onPath));
  if (onPath && version && atLeast(version, kind.least ?? '0.0.0')) return onPath;
  if (kind.build) {
    const built = builtPath(name, kind.build.version);
    if (await versionOf(built)) return built;
  }
  const found = version ? ` (${onPath} is ${version})` : '';
  return {
    tool: name,
    reason: `${kind.title}${kind.least ? ` ${kind.least} or newer` : ''} is not on PATH${found}`,
  };
}

/** A tool that tells no version is as good as the one that it came with, or as the folder's name says. */
async function findBeside(name: ToolName, kind: ToolKind, other: ToolName): Promise<string | Missing> {
  const otherPath = await findTool(other);
  const places = [
    ...(typeof otherPath === 'string' ? [join(dirname(otherPath), name)] : []),
    ...(kind.build ? [builtPath(name, kind.build.version)] : []),
  ];
  for (const place of places) if (await isProgram(place)) return place;
  return { tool: name, reason: `${kind.title} is not beside ${TOOLS[other].title} on PATH` };
}

async function findBuilt(name: ToolName, { title, build }: ToolKind): Promise<string | Missing> {
  const path = build && builtPath(name, build.version);
  if (path !== undefined && (await isProgram(path))) return path;
  return { tool: name, reason: `${title} ${build?.version ?? ''} has not been built here` };
}

async function isProgram(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}

/** The path of a tool, built now if it is not here. Never throws for a tool that cannot be had. */
export async function ensureTool(name: ToolName, wanted: Wanted = 'suitable'): Promise<string | Missing> {
  const [tool] = await ensureTools([name], wanted);
  return tool!;
}

/** The same of several, in this order. What is to be built is built one after another, as each build uses all cores. */
export async function ensureTools(
  names: readonly ToolName[],
  wanted: Wanted = 'suitable',
): Promise<readonly (string | Missing)[]> {
  const look = () => Promise.all(names.map((name) => findTool(name, wanted)));
  const found = await look();
  if (!found.some((tool, index) => typeof tool !== 'string' && isBuilt(names[index]!))) return found;
  return alone('go-builds', async () => {
    const go = await which('go');
    const meanwhile = await look();
    try {
      const tools: (string | Missing)[] = [];
      for (const [index, tool] of meanwhile.entries())
        tools.push(typeof tool === 'string' ? tool : await build(names[index]!, tool, go));
      return tools;
    } finally {
      await rm(goCache(), { recursive: true, force: true });
    }
  });
}

function isBuilt(name: ToolName): boolean {
  const kind: ToolKind = TOOLS[name];
  return kind.build !== undefined;
}

async function build(name: ToolName, missing: Missing, go: string | undefined): Promise<string | Missing> {
  const kind: ToolKind = TOOLS[name];
  if (kind.build === undefined) return missing;
  if (go === undefined)
    return { tool: name, reason: `${missing.reason}, and Go, which would build it, is not either` };
  say(`building ${kind.title} ${kind.build.version} with Go, once, into ${cacheFolder()} (minutes)`);
  try {
    return await buildWithGo(go, name, kind.build);
  } catch (error) {
    const why = error instanceof Error ? error.message : error;
    return { tool: name, reason: `${kind.title} could not be built: ${why}` };
  }
}

function builtPath(name: string, version: string): string {
  return join(cacheFolder(), 'tools', `${name}-${version}`, name);
}

/**
 * Go's module and build caches grow to 9 GB here, so they live only as long as the builds of one call, which share most
 * of what they are made of. Builds that were killed leave them under the same name, for the next ones to remove.
 */
function goCache(): string {
  return join(cacheFolder(), 'go-builds');
}

async function buildWithGo(go: string, name: string, build: Build): Promise<string> {
  const scratch = join(goCache(), name);
  const target = builtPath(name, build.version);
  await rm(scratch, { recursive: true, force: true });
  await mkdir(join(scratch, 'bin'), { recursive: true });
  const source = join(import.meta.dirname, '../engines', name);
  const env = {
    CGO_ENABLED: '0',
    GOTOOLCHAIN: 'local',
    GOFLAGS: '-modcacherw',
    GOMODCACHE: join(goCache(), 'modules'),
    GOCACHE: join(goCache(), 'objects'),
    ...(build.unlisted && { GONOSUMDB: build.unlisted }),
  };
  try {
    const flags = ['-trimpath', ...(build.tags ? ['-tags', build.tags] : [])];
    const linkerFlags = `-s -w ${build.linkerFlags ?? ''}`;
    await run(
      [go, 'build', ...flags, '-ldflags', linkerFlags, '-o', `${join(scratch, 'bin')}/`, 'tool'],
      source,
      env,
    );
    if (build.script) {
      const { module, path } = build.script;
      const folder = await run([go, 'list', '-m', '-f', '{{.Dir}}', module], source, env);
      const script = join(scratch, 'bin', basename(path));
      await copyFile(join(folder.trim(), path), script);
      await chmod(script, 0o755);
    }
    await rm(dirname(target), { recursive: true, force: true });
    await mkdir(dirname(dirname(target)), { recursive: true });
    await rename(join(scratch, 'bin'), dirname(target));
    return target;
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

async function run(
  argv: readonly string[],
  cwd: string,
  env: Readonly<Record<string, string>>,
): Promise<string> {
  const [program = '', ...args] = argv;
  const child = spawn(program, args, {
    cwd,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let printed = '';
  child.stdout.on('data', (chunk: Buffer) => {
    printed += chunk.toString();
  });
  let last = '';
  child.stderr.on('data', (chunk: Buffer) => {
    last = (last + chunk.toString()).slice(-2_000);
  });
  const [status] = await once(child, 'close');
  if (status !== 0)
    throw new Error(`go ended with ${status}: ${last.trim().split('\n').slice(-3).join(' / ')}`);
  return printed;
}
