import { StasisError } from '../../../core/errors.ts';
import type { Host } from '../../../core/host.ts';
import { eachLine } from '../../../core/lines.ts';
import { LOOK, PAGE_CACHE_PROGRAM, UNSUPPORTED_STATUS } from './program.ts';
import type { Span } from './spans.ts';

/** A regular file by its absolute path, and what of it is meant. */
export interface SpansOf {
  readonly path: Buffer;
  readonly spans: readonly Span[];
}

/** Which pages lay in the page cache; undefined of a file of which whoever we are may not know it, or that is gone. */
export type Resident = readonly Span[] | undefined;

/** The page cache of a host, through its Perl. Programs of util-linux only count the pages of a file. */
export class PageCache {
  private readonly host: Host;
  private readonly perl: string;

  private constructor(host: Host, perl: string) {
    this.host = host;
    this.perl = perl;
  }

  /** Undefined where the host has no Perl. */
  static async of(host: Host): Promise<PageCache | undefined> {
    const perl = await host.which('perl');
    return perl === undefined ? undefined : new PageCache(host, perl);
  }

  /**
   * What of each file is in memory, to the page; reads nothing of it.
   * @throws StasisError `files.page-cache` when it is not done in that time, or the host's kernel or Perl cannot tell
   */
  async look(paths: readonly Buffer[], timeoutMs: number, signal: AbortSignal): Promise<Resident[]> {
    const resident: Resident[] = paths.map(() => []);
    const files = paths.map((path) => ({ path, spans: [] }));
    await this.run('look', files, timeoutMs, signal, (line) => {
      const [, index, rest] = LOOK.exec(line) ?? [];
      if (index === undefined) return;
      resident[Number(index)] = rest === '?' ? undefined : spansIn(rest!);
    });
    return resident;
  }

  /** Reads these bytes, so that they are in memory, until all are or the time is over. */
  read(files: readonly SpansOf[], timeoutMs: number, signal: AbortSignal): Promise<void> {
    return this.run('read', files, timeoutMs, signal);
  }

  /** Has the kernel forget these bytes where they are clean and nobody has mapped them. */
  drop(files: readonly SpansOf[], timeoutMs: number, signal: AbortSignal): Promise<void> {
    return this.run('drop', files, timeoutMs, signal);
  }

  private async run(
    what: 'look' | 'read' | 'drop',
    files: readonly SpansOf[],
    timeoutMs: number,
    signal: AbortSignal,
    onLine: (line: string) => void = () => {},
  ): Promise<void> {
    const seconds = String(Math.ceil(timeoutMs / 1000));
    const late = AbortSignal.timeout(timeoutMs + GRACE_MS);
    const child = await this.host.spawn([this.perl, '-e', PAGE_CACHE_PROGRAM, what, seconds], {
      signal: AbortSignal.any([signal, late]),
      stdin: encoded(files),
    });
    await eachLine(child.stdout, () => {}, onLine);
    const { status, stderr } = await child.ended;
    if (status === 0) return;
    const [said = ''] = stderr.trim().split('\n');
    const why = status === UNSUPPORTED_STATUS ? said : `perl ended with status ${status}: ${said}`;
    throw new StasisError('files.page-cache', `The page cache of ${this.host.name} cannot be told: ${why}.`);
  }
}

/** The program keeps to its time by itself. */
const GRACE_MS = 10_000;
const FILES_A_CHUNK = 512;

async function* encoded(files: readonly SpansOf[]): AsyncGenerator<Uint8Array> {
  const NUL = Buffer.alloc(1);
  for (let from = 0; from < files.length; from += FILES_A_CHUNK)
    yield Buffer.concat(
      files
        .slice(from, from + FILES_A_CHUNK)
        .flatMap(({ path, spans }) => [path, NUL, Buffer.from(spans.map(textOf).join(' ')), NUL]),
    );
}

function textOf([from, to]: Span): string {
  return `${from}-${to}`;
}

function spansIn(text: string): Span[] {
  return text.split(' ').map((span) => {
    const [from, to] = span.split('-').map(Number);
    return [from!, to!] as const;
  });
}
