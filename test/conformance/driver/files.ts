import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  closeSync,
  existsSync,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  readlinkSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { filesDriver } from '../../../provider/drivers/files/driver.ts';
import { textOf } from '../../support/lab-inside.ts';
import type { DriverAdapter, Load, System, Target } from './adapter.ts';
import { filesDisturbances } from './files-disturbances.ts';
import { childrenOf, type Ground, localGround } from './files-ground.ts';
import { faultsOfTree } from './files-state.ts';

/** A folder with something of every kind in it, and an application that works on it. */
export const filesAdapter: DriverAdapter = {
  driver: filesDriver,
  sessions: { watch: true, hold: false, mark: 'never' },
  unavailable: async () => programsMissing(),
  start: async () => new FolderSystem(localGround()),
};

/** What the tests themselves need on this machine. */
export function programsMissing(): string | undefined {
  const missing = ['python3', 'setfattr', 'setfacl', 'mkfifo'].filter((program) => !isInstalled(program));
  return missing.length === 0 ? undefined : `${missing.join(', ')} missing on this machine`;
}

function isInstalled(program: string): boolean {
  return (process.env.PATH ?? '').split(':').some((folder) => existsSync(join(folder, program)));
}

export class FolderSystem implements System {
  private readonly ground: Ground;
  /** As this process sees it. */
  private readonly root: string;
  readonly spec: { readonly path: string; readonly exclude: readonly string[] };
  readonly disturbances;
  readonly refused;
  private targets = 0;

  constructor(ground: Ground) {
    const { path, view } = ground;
    this.ground = ground;
    this.root = join(view, 'source');
    this.spec = { path: join(path, 'source'), exclude: ['*.lock', 'cache/'] };
    this.disturbances = filesDisturbances(this.root, ground);
    populate(this.root);
    symlinkSync('nothing', join(view, 'dangling'));
    execFileSync('mkfifo', [join(view, 'pipe')]);
    this.refused = [
      { name: 'nothing there', spec: { path: join(path, 'none') }, codes: ['files.missing'] },
      { name: 'a link to nothing', spec: { path: join(path, 'dangling') }, codes: ['files.missing'] },
      { name: 'a path through a file', spec: { path: join(path, 'source/log/x') }, codes: ['files.missing'] },
    ];
  }

  async load(): Promise<Load> {
    return FolderLoad.start(this.root);
  }

  async emptyTarget(): Promise<Target> {
    this.targets += 1;
    return new FolderTarget(this.ground, `target-${this.targets}`);
  }

  async filledTarget(): Promise<Target> {
    const target = await this.emptyTarget();
    const path = join(this.ground.view, `target-${this.targets}`);
    mkdirSync(join(path, 'theirs'), { recursive: true });
    writeFileSync(join(path, 'theirs', 'file'), 'theirs');
    chmodSync(path, 0o750);
    return target;
  }

  async residue(): Promise<readonly string[]> {
    const { view } = this.ground;
    const helpers = await this.ground.helpers();
    return [...openWithin(this.root), ...helpers, ...mappers(), ...stagings(view)];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.ground[Symbol.asyncDispose]();
  }
}

function populate(root: string): void {
  for (const name of ['ring', 'receipts', 'static', 'moved/here', 'generation', 'modes', 'mapped', 'cache'])
    mkdirSync(join(root, name), { recursive: true });
  for (let index = 0; index < 10; index += 1) {
    writeFileSync(join(root, 'ring', `${index}`), String(index).padStart(10, '0'));
    writeFileSync(join(root, 'receipts', `${index}`), `receipt ${index}`);
    writeFileSync(join(root, 'modes', `${index}`), '', { mode: 0o644 });
  }
  writeFileSync(join(root, 'log'), Array.from({ length: 10 }, (_, index) => `${index}\n`).join(''));
  for (let index = 0; index < 20; index += 1) writeFileSync(join(root, 'generation', `${index}`), '1');
  for (const name of ['one', 'two']) writeFileSync(join(root, 'mapped', name), Buffer.alloc(4096));
  writeFileSync(join(root, 'growing'), Buffer.alloc(300_000, 'a').fill('b', 100_000).fill('c', 200_000));
  writeFileSync(join(root, 'moved/here/x'), 'x');
  writeFileSync(join(root, 'cache/not captured'), 'x');
  populateStatic(join(root, 'static'));
}

/** One of each kind of entry. */
function populateStatic(root: string): void {
  writeFileSync(join(root, 'plain'), 'plain', { mode: 0o4711 });
  chmodSync(join(root, 'plain'), 0o4711);
  writeFileSync(join(root, 'rewritten'), Buffer.alloc(500_000, 'abcdefgh'));
  writeFileSync(Buffer.concat([Buffer.from(`${root}/`), Buffer.from([0xff, 0x0a, 0xc3])]), 'no UTF-8');
  linkSync(join(root, 'plain'), join(root, 'hard'));
  symlinkSync('plain', join(root, 'link'));
  symlinkSync('/nowhere', join(root, 'dangling'));
  execFileSync('mkfifo', [join(root, 'fifo')]);
  execFileSync('setfattr', ['-n', 'user.note', '-v', 'kept', join(root, 'rewritten')]);
  execFileSync('setfacl', ['-m', 'u:12345:r', join(root, 'rewritten')]);
  const sparse = openSync(join(root, 'sparse'), 'w');
  writeSync(sparse, 'in the middle', 5_000_000);
  closeSync(sparse);
  truncateSync(join(root, 'sparse'), 20_000_000);
}

class FolderLoad implements Load {
  private readonly child: ChildProcess;
  private done = 0;

  private constructor(child: ChildProcess) {
    this.child = child;
    child.stdout!.on('data', (chunk: Buffer) => {
      this.done += chunk.filter((byte) => byte === 10).length;
    });
  }

  static async start(root: string): Promise<FolderLoad> {
    const script = join(import.meta.dirname, 'files-load.ts');
    const child = spawn(process.execPath, [script, root], { stdio: ['ignore', 'pipe', 'inherit'] });
    const load = new FolderLoad(child);
    await Promise.race([
      new Promise((resolve) => child.stdout!.once('data', resolve)),
      new Promise((_, reject) => child.once('exit', () => reject(new Error('the load did not start')))),
    ]);
    return load;
  }

  async operations(): Promise<number> {
    return this.done;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.child.exitCode !== null) throw new Error('the load has ended by itself');
    const closed = new Promise((resolve) => this.child.once('close', resolve));
    this.child.kill();
    await closed;
  }
}

class FolderTarget implements Target {
  readonly spec: { readonly path: string };
  private readonly ground: Ground;
  private readonly name: string;
  private readonly view: string;

  constructor(ground: Ground, name: string) {
    this.ground = ground;
    this.name = name;
    this.spec = { path: join(ground.path, name) };
    this.view = join(ground.view, name);
  }

  async faults(): Promise<readonly string[]> {
    return faultsOfTree(this.view);
  }

  async mutate(): Promise<string> {
    const file = openSync(join(this.view, 'modes', '3'), 'r+');
    closeSync(file);
    chmodSync(join(this.view, 'modes', '3'), 0o640);
    return 'file/modes/3';
  }

  async state(): Promise<string> {
    if (!existsSync(this.view)) return 'absent';
    const archive = execFileSync(
      'tar',
      [
        '--create',
        '--sort=name',
        '--format=pax',
        '--numeric-owner',
        '--xattrs',
        '--acls',
        '--pax-option=delete=atime,delete=ctime',
        this.name,
      ],
      { cwd: this.ground.view, maxBuffer: 1 << 30 },
    );
    return createHash('sha256').update(archive).digest('hex');
  }

  async residue(): Promise<readonly string[]> {
    const { view } = this.ground;
    return [...openWithin(view), ...(await this.ground.helpers()), ...stagings(view)];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const sidecar = join(this.ground.view, `.${this.name}.stasis-restore.json`);
    execFileSync('rm', ['-rf', '--', this.view, sidecar]);
  }
}

/** Files of ours that are still open. */
function openWithin(folder: string): string[] {
  return readdirSync('/proc/self/fd')
    .map((fd) => linkOf(`/proc/self/fd/${fd}`))
    .filter((path) => path.startsWith(folder))
    .map((path) => `${path} is open`);
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}

/** The disturbance that goes on for a while has to be over before the next begins. */
function mappers(): string[] {
  return childrenOf(process.pid)
    .filter(({ pid }) => textOf(`/proc/${pid}/cmdline`).includes('mmap.mmap'))
    .map(({ pid }) => `a mapping is written by ${pid}`);
}

/** What is loaded beside a target, and not taken away. */
function stagings(folder: string): string[] {
  return readdirSync(folder).filter((name) => /\.stasis-(?!restore\.json)/.test(name));
}
