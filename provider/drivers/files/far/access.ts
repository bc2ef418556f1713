import type { Host } from '../../../core/host.ts';
import type { Care, DigestOf, TreeAccess, WholeFile } from '../access.ts';
import type { Entry } from '../entry.ts';
import type { FileSystem } from '../filesystem.ts';
import type { Processes } from '../mappings.ts';
import { nulTerminated, tokensIn } from '../nul-terminated.ts';
import { absolute, type Scan } from '../scan.ts';
import type { Excluded } from '../selection.ts';
import { gather, gatherParts, insistOnlyGone, LOOK_MS } from './commands.ts';
import { digestsFar, piecesFar, wholesFar } from './contents.ts';
import { KeptScript } from './kept-script.ts';
import { processesFar } from './processes.ts';
import { recordOf, STAT_FORMAT, type StatRecord } from './records.ts';
import { SCAN, scanArguments, scanIn, type Uppers } from './scan.ts';
import { FarSteps } from './steps.ts';

/** A look takes an exchange and some programs' starts, so fewer of them fit into a moment. */
const SETTLE_MS = 500;

/** The paths that xargs gives it: looks at them, and tells where links among them point. */
const LOOK = `stat --printf '${STAT_FORMAT}' -- "$@"; exec find "$@" -maxdepth 0 -type l -printf 'link\\0%p\\0%l\\0'`;

/** By commands of a host, with nothing of ours on it. */
export function farAccess(host: Host): TreeAccess {
  return new FarAccess(host);
}

class FarAccess extends FarSteps implements TreeAccess {
  readonly settleMs = SETTLE_MS;
  private readonly fileSystems = new Map<bigint, FileSystem>();
  private readonly tellsHoles = ({ dev }: Entry): boolean => this.fileSystems.get(dev)?.tellsHoles ?? false;
  private readonly uppers = new Map<string, readonly string[]>();
  private keeps = false;
  private scanner: { readonly key: string; readonly script: KeptScript } | undefined;

  async scan(root: Buffer, excluded: Excluded, signal: AbortSignal): Promise<Scan> {
    const args = scanArguments(root, await this.uid(), excluded);
    const part = this.keeps
      ? await (await this.keptScan(args)).ask(signal)
      : await gatherParts(this.host, SCAN, args, { signal, timeoutMs: LOOK_MS });
    const scan = await this.withUppers((uppers) => scanIn(part, this.host, root, excluded, uppers));
    for (const [dev, fileSystem] of scan.fileSystems) this.fileSystems.set(dev, fileSystem);
    return scan;
  }

  keepOpen(): void {
    this.keeps = true;
  }

  close(): void {
    this.keeps = false;
    this.scanner?.script.end();
    this.scanner = undefined;
  }

  /** Where an overlay is among what was seen, what it writes to is asked for, once. */
  private async withUppers(scanned: (uppers: Uppers) => Scan): Promise<Scan> {
    const unknown = new Set<string>();
    const scan = scanned((folder) => {
      if (!this.uppers.has(folder)) unknown.add(folder);
      return this.uppers.get(folder) ?? [];
    });
    if (unknown.size === 0) return scan;
    for (const folder of unknown) this.uppers.set(folder, await this.fileSystemNames(folder));
    return scanned((folder) => this.uppers.get(folder) ?? []);
  }

  /** Of the same tree the same, unless it was given up. */
  private async keptScan(args: readonly string[]): Promise<KeptScript> {
    const key = JSON.stringify(args);
    if (this.scanner?.key === key && this.scanner.script.isUsable) return this.scanner.script;
    this.scanner?.script.end();
    this.scanner = { key, script: await KeptScript.start(this.host, SCAN, args) };
    return this.scanner.script;
  }

  processes(signal: AbortSignal): Promise<Processes> {
    return processesFar(this.host, signal);
  }

  async look(root: Buffer, entries: readonly Entry[], signal: AbortSignal): Promise<(Entry | undefined)[]> {
    if (entries.length === 0) return [];
    const paths = entries.map(({ path }) => absolute(root, path));
    const argv = ['xargs', '-0', '-r', 'sh', '-c', LOOK, 'stasis'];
    const { stdout, stderr } = await this.asked(argv, paths, signal);
    insistOnlyGone(this.host, stderr);
    const targets = new Map<string, Buffer>();
    const records = new Map<string, StatRecord>();
    const tokens = tokensIn(stdout);
    for (const token of tokens) {
      if (token.toString('latin1') === 'link') {
        const name = tokens.next().value as Buffer;
        targets.set(name.toString('latin1'), tokens.next().value as Buffer);
      } else {
        const record = recordOf(token);
        records.set(record.name.toString('latin1'), record);
      }
    }
    return entries.map(({ path }, index) => {
      const key = paths[index]!.toString('latin1');
      const now = records.get(key)?.entry(path, targets.get(key));
      return now?.kind === 'symlink' && now.target === undefined ? undefined : now;
    });
  }

  async *wholes(
    root: Buffer,
    entries: readonly Entry[],
    care: Care,
    signal: AbortSignal,
  ): AsyncGenerator<WholeFile | undefined> {
    if (entries.length > 0) yield* wholesFar(this.host, await this.uid(), root, entries, care, signal);
  }

  async *pieces(
    root: Buffer,
    entry: Entry,
    care: Care,
    done: (entry: Entry) => void,
    signal: AbortSignal,
  ): AsyncGenerator<Buffer> {
    yield* piecesFar(this.host, await this.uid(), root, entry, care, done, this.tellsHoles, signal);
  }

  async digests(root: Buffer, entries: readonly Entry[], signal: AbortSignal): Promise<DigestOf> {
    const digests = await digestsFar(this.host, await this.uid(), root, entries, this.tellsHoles, signal);
    return async ({ path }) => digests.get(path.toString('latin1'));
  }

  async closed(root: Buffer, entries: readonly Entry[], signal: AbortSignal): Promise<Buffer[]> {
    if ((await this.uid()) === 0 || entries.length === 0) return [];
    const paths = entries.map(({ path }) => absolute(root, path));
    const closed = 'exec find "$@" -maxdepth 0 ! -readable -print0';
    const { stdout } = await this.asked(['xargs', '-0', '-r', 'sh', '-c', closed, 'stasis'], paths, signal);
    const found = new Set([...tokensIn(stdout)].map((path) => path.toString('latin1')));
    return entries.filter((_, index) => found.has(paths[index]!.toString('latin1'))).map(({ path }) => path);
  }

  private asked(argv: readonly string[], paths: readonly Buffer[], signal: AbortSignal) {
    return gather(this.host, argv, { signal, stdin: nulTerminated(paths), timeoutMs: LOOK_MS });
  }

  private async uid(): Promise<number> {
    return (await this.self()).uid;
  }
}
