import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * npm writes an optional package into the lock file only where the registry in use can serve it, and `npm ci` then
 * refuses the file because packages for other platforms are missing from it. This adds an entry for each of them:
 * its exact version is known from the package that asks for it, its platform from its name. Run it after an
 * `npm install` that changed package-lock.json: `sh scripts/with-node.sh scripts/setup/lock.ts`.
 */
interface LockEntry {
  version?: string;
  dev?: boolean;
  optional?: boolean;
  os?: string[];
  cpu?: string[];
  libc?: string[];
  optionalDependencies?: Record<string, string>;
}

interface Lock {
  packages: Record<string, LockEntry>;
}

const SYSTEMS = [
  'aix',
  'android',
  'darwin',
  'freebsd',
  'linux',
  'netbsd',
  'openbsd',
  'openharmony',
  'sunos',
  'win32',
];
const PROCESSORS = ['arm64', 'arm', 'ia32', 'loong64', 'mips64el', 'ppc64', 'riscv64', 's390x', 'x64'];

interface Missing {
  readonly place: string;
  readonly entry: LockEntry;
}

/** The optional packages that some package of the lock file asks for and that are not in it. */
export function missingPlatformPackages(lock: Lock): readonly Missing[] {
  const missing: Missing[] = [];
  for (const [parent, { optionalDependencies, dev }] of Object.entries(lock.packages))
    for (const [name, version] of Object.entries(optionalDependencies ?? {}))
      if (!resolves(lock, parent, name) && /^\d/.test(version))
        missing.push({ place: `node_modules/${name}`, entry: platformEntry(name, version, dev) });
  return missing;
}

/** Whether Node's own search from `parent` upwards finds `name`. */
function resolves(lock: Lock, parent: string, name: string): boolean {
  let folder = parent;
  for (;;) {
    if (lock.packages[`${folder === '' ? '' : `${folder}/`}node_modules/${name}`]) return true;
    if (folder === '') return false;
    folder = folder.slice(0, Math.max(0, folder.lastIndexOf('node_modules/') - 1));
  }
}

function platformEntry(name: string, version: string, dev: boolean | undefined): LockEntry {
  const words = name.split(/[/-]/);
  const os = SYSTEMS.filter((system) => words.includes(system));
  const cpu = PROCESSORS.filter((processor) => words.includes(processor));
  const libc = words.some((word) => word.startsWith('musl')) ? ['musl'] : ['glibc'];
  return {
    version,
    ...(cpu.length > 0 && { cpu }),
    ...(dev && { dev }),
    ...(os.includes('linux') && { libc }),
    optional: true,
    ...(os.length > 0 && { os }),
  };
}

/** The lock file's text with the missing entries added, in npm's order; the same text when none is missing. */
export function completeLock(text: string): string {
  const lock: Lock = JSON.parse(text);
  const missing = missingPlatformPackages(lock);
  if (missing.length === 0) return text;
  for (const { place, entry } of missing) lock.packages[place] = entry;
  const sorted = Object.entries(lock.packages).sort(([a], [b]) => a.localeCompare(b, 'en'));
  return `${JSON.stringify({ ...lock, packages: Object.fromEntries(sorted) }, undefined, 2)}\n`;
}

if (import.meta.main) {
  const path = join(import.meta.dirname, '../../package-lock.json');
  const before = readFileSync(path, 'utf8');
  const after = completeLock(before);
  if (after !== before) writeFileSync(path, after);
  console.log(
    after === before ? 'package-lock.json is complete' : 'package-lock.json: platform packages added',
  );
}
