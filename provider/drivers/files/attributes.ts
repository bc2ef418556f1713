import { StasisError } from '../../core/errors.ts';
import type { Host } from '../../core/host.ts';
import { nulTerminated } from './nul-terminated.ts';

/** An extended attribute; POSIX ACLs are two of them. The name is Latin-1 text of its bytes. */
export interface Attribute {
  readonly name: string;
  readonly value: Buffer;
}

export function sameAttributes(a: readonly Attribute[], b: readonly Attribute[]): boolean {
  const values = new Map(b.map(({ name, value }) => [name, value]));
  return a.length === b.length && a.every(({ name, value }) => values.get(name)?.equals(value) ?? false);
}

/** The programs that read and write attributes, as Node cannot: package `attr` on Debian. */
export interface AttributeTools {
  readonly xargs: string;
  readonly getfattr: string;
  readonly setfattr: string;
}

export async function findAttributeTools(host: Host): Promise<AttributeTools | undefined> {
  const [xargs, getfattr, setfattr] = await Promise.all(
    ['xargs', 'getfattr', 'setfattr'].map((program) => host.which(program)),
  );
  return xargs && getfattr && setfattr ? { xargs, getfattr, setfattr } : undefined;
}

/**
 * What is captured: the user's and root's own, capabilities, ACLs. Left out is what the machine gives a file by itself
 * (labels and measurements of security modules) or what belongs to one file system.
 */
export function isCaptured(name: string): boolean {
  if (/^security\.(selinux|SMACK64.*|apparmor|ima|evm)$/.test(name)) return false;
  if (name.startsWith('trusted.overlay.')) return false;
  return /^(user|trusted|security)\./.test(name) || /^system\.posix_acl_(access|default)$/.test(name);
}

/**
 * Attributes of entries, by the Latin-1 text of their absolute path; those without any are not in it. Symbolic links
 * are not followed. What vanished meanwhile is left out.
 *
 * @throws StasisError `files.attributes-unreadable`
 */
export async function readAttributes(
  paths: readonly Buffer[],
  host: Host,
  tools: AttributeTools,
  signal: AbortSignal,
): Promise<Map<string, Attribute[]>> {
  if (paths.length === 0) return new Map();
  const argv = [tools.xargs, '-0', '-r', tools.getfattr, '-h', '-d', '-m', '-', '-e', 'hex'];
  const spawned = await host.spawn([...argv, '--absolute-names', '--'], {
    signal,
    stdin: nulTerminated(paths),
  });
  const dump = new DumpParser();
  for await (const chunk of spawned.stdout) dump.push(chunk);
  const { status, stderr } = await spawned.ended;
  if (status !== 0) insistOnlyVanished(stderr);
  return dump.end();
}

function insistOnlyVanished(stderr: string): void {
  const lines = stderr
    .split('\n')
    .filter((line) => line !== '' && !line.endsWith('No such file or directory'));
  if (lines.length > 0 || stderr === '')
    throw new StasisError(
      'files.attributes-unreadable',
      `Extended attributes could not be read${lines[0] ? `: ${lines[0]}` : ''}.`,
      { hint: 'Run as a user that may read all of the folder.', at: ['path'] },
    );
}

/** Reads the output of `getfattr -d -e hex`: blocks of `# file: path`, `name=0xhex` lines, and an empty line. */
export class DumpParser {
  private readonly found = new Map<string, Attribute[]>();
  private rest = '';
  private path = '';

  push(chunk: Uint8Array): void {
    const lines = (this.rest + Buffer.from(chunk).toString('latin1')).split('\n');
    this.rest = lines.pop() ?? '';
    for (const line of lines) this.line(line);
  }

  end(): Map<string, Attribute[]> {
    if (this.rest !== '') this.line(this.rest);
    this.rest = '';
    return this.found;
  }

  private line(line: string): void {
    if (line.startsWith('# file: ')) this.path = unquote(line.slice('# file: '.length));
    else if (line !== '' && !line.startsWith('#')) this.attribute(line);
  }

  private attribute(line: string): void {
    const equals = line.indexOf('=');
    const name = unquote(equals < 0 ? line : line.slice(0, equals));
    const hex = equals < 0 ? '' : line.slice(equals + 1).replace(/^0x/, '');
    const attributes = this.found.get(this.path) ?? [];
    attributes.push({ name, value: Buffer.from(hex, 'hex') });
    this.found.set(this.path, attributes);
  }
}

/** The program writes `\ooo` for a backslash, a line end and, in names, `=`. */
function unquote(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}

function quote(bytes: string): string {
  return [...bytes]
    .map((character) =>
      /[A-Za-z0-9._/-]/.test(character)
        ? character
        : `\\${character.charCodeAt(0).toString(8).padStart(3, '0')}`,
    )
    .join('');
}

/**
 * Sets attributes of entries, each by its path relative to `folder`.
 * @throws StasisError `files.attributes-refused`
 */
export async function writeAttributes(
  folder: string,
  entries: AsyncIterable<{ readonly path: Buffer; readonly attributes: readonly Attribute[] }>,
  host: Host,
  tools: AttributeTools,
  signal: AbortSignal,
): Promise<void> {
  const spawned = await host.spawn([tools.setfattr, '-h', '--restore=-'], {
    signal,
    cwd: folder,
    stdin: dumpOf(entries),
  });
  for await (const _ of spawned.stdout);
  const { status, stderr } = await spawned.ended;
  if (status !== 0)
    throw new StasisError(
      'files.attributes-refused',
      `Extended attributes could not be set: ${stderr.split('\n')[0]}.`,
      {
        hint: 'The target’s file system has to support them, and trusted and security attributes need root.',
        at: ['path'],
      },
    );
}

async function* dumpOf(
  entries: AsyncIterable<{ readonly path: Buffer; readonly attributes: readonly Attribute[] }>,
): AsyncGenerator<Uint8Array> {
  for await (const { path, attributes } of entries) {
    const lines = attributes.map(({ name, value }) => `${quote(name)}=0x${value.toString('hex')}`);
    yield Buffer.from(`# file: ${quote(path.toString('latin1'))}\n${lines.join('\n')}\n\n`, 'latin1');
  }
}
