import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
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
  readonly build?: {
    readonly version: string;
    readonly linkerFlags?: string;
    /** Modules whose version the checksum database does not know; go.sum pins them all the same. */
    readonly unlisted?: string;
  };
}

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
  // Figures are told against this one version, so one on PATH will not do.
  restic: { title: 'restic', build: { version: '0.19.1' } },
} as const satisfies Record<string, ToolKind>;

/** A tool that is not to be had on this machine, and why. */
export interface Missing {
  readonly tool: string;
  readonly reason: string;
}

/** The path of a tool that is here already, without building anything. */
export async function findTool(name: ToolName): Promise<string | Missing> {
  const kind: ToolKind = TOOLS[name];
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

/** The path of a tool, built now if it is not here. Never throws for a tool that cannot be had. */
export async function ensureTool(name: ToolName): Promise<string | Missing> {
  const found = await findTool(name);
  const kind: ToolKind = TOOLS[name];
  if (typeof found === 'string' || kind.build === undefined) return found;
  const { build } = kind;
  return alone(`${name}-${build.version}`, async () => {
    const meanwhile = await findTool(name);
    if (typeof meanwhile === 'string') return meanwhile;
    const go = await which('go');
    if (!go) return { tool: name, reason: `${found.reason}, and Go, which would build it, is not either` };
    say(`building ${kind.title} ${build.version} with Go, once, into ${cacheFolder()} (minutes)`);
    try {
      return await buildWithGo(go, name, build);
    } catch (error) {
      return {
        tool: name,
        reason: `${kind.title} could not be built: ${error instanceof Error ? error.message : error}`,
      };
    }
  });
}

function builtPath(name: string, version: string): string {
  return join(cacheFolder(), 'tools', `${name}-${version}`, name);
}

/**
 * Go's module and build caches grow to 9 GB here, so they live only as long as the build. A build that was killed
 * leaves them under the same name, for the next one to remove.
 */
async function buildWithGo(go: string, name: string, build: NonNullable<ToolKind['build']>): Promise<string> {
  const scratch = join(cacheFolder(), `build-${name}`);
  const target = builtPath(name, build.version);
  await rm(scratch, { recursive: true, force: true });
  await mkdir(join(scratch, 'bin'), { recursive: true });
  try {
    await run(
      [
        ...[go, 'build', '-trimpath', '-ldflags', `-s -w ${build.linkerFlags ?? ''}`],
        ...['-o', `${join(scratch, 'bin')}/`, 'tool'],
      ],
      join(import.meta.dirname, '../engines', name),
      {
        CGO_ENABLED: '0',
        GOTOOLCHAIN: 'local',
        GOFLAGS: '-modcacherw',
        GOMODCACHE: join(scratch, 'modules'),
        GOCACHE: join(scratch, 'objects'),
        ...(build.unlisted && { GONOSUMDB: build.unlisted }),
      },
    );
    await rm(join(target, '..'), { recursive: true, force: true });
    await mkdir(join(target, '../..'), { recursive: true });
    await rename(join(scratch, 'bin'), join(target, '..'));
    return target;
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

async function run(
  argv: readonly string[],
  cwd: string,
  env: Readonly<Record<string, string>>,
): Promise<void> {
  const [program = '', ...args] = argv;
  const child = spawn(program, args, {
    cwd,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let last = '';
  child.stderr.on('data', (chunk: Buffer) => {
    last = (last + chunk.toString()).slice(-2_000);
  });
  const [status] = await once(child, 'close');
  if (status !== 0)
    throw new Error(`go ended with ${status}: ${last.trim().split('\n').slice(-3).join(' / ')}`);
}
