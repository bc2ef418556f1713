import { basename } from 'node:path';
import { StasisError } from '../../core/errors.ts';
import type { Host } from '../../core/host.ts';
import { FOLDER_MARK } from './arguments.ts';
import { uriOf, type VmSpec } from './spec.ts';

/** A domain's XML, with names in the target's folder for the paths of its disks. */
export interface PortableDomain {
  readonly xml: string;
  readonly disks: ReadonlyMap<string, string>;
  readonly files: ReadonlyMap<string, string>;
  readonly problems: readonly StasisError[];
}

const VIRSH_MS = 20_000;

export async function virsh(
  spec: VmSpec,
  args: readonly string[],
  host: Host,
  signal: AbortSignal,
  timeoutMs = VIRSH_MS,
): Promise<string> {
  const argv = ['virsh', '-q', '-c', uriOf(spec), ...args];
  const { status, stdout, stderr } = await host.run(argv, { signal, timeoutMs });
  if (status === 0) return stdout;
  throw new StasisError(
    'vm.libvirt-refused',
    `libvirt refuses ${args[0]}: ${stderr
      .trim()
      .replace(/^error:\s*/gm, '')
      .replace(/[.\s]+$/, '')
      .replaceAll('\n', '; ')}.`,
    { at: ['domain'] },
  );
}

export async function portableDomain(
  spec: VmSpec,
  disks: readonly string[],
  host: Host,
  signal: AbortSignal,
): Promise<PortableDomain> {
  const dumped = await virsh(spec, ['dumpxml', '--migratable', spec.domain ?? ''], host, signal);
  const names = new Map<string, string>();
  const files = new Map<string, string>();
  const written = new Map<string, string>();
  let xml = dumped;
  const place = (path: string, into: Map<string, string>): void => {
    const taken = new Set([...names.values(), ...files.values(), ...written.values()]);
    let name = basename(path);
    for (let number = 2; taken.has(name); number += 1) name = `${number}-${basename(path)}`;
    into.set(path, name);
    for (const quote of ["'", '"'])
      xml = xml.replaceAll(`${quote}${escaped(path)}${quote}`, `${quote}${FOLDER_MARK}/${name}${quote}`);
    xml = xml.replaceAll(`>${escaped(path)}<`, `>${FOLDER_MARK}/${name}<`);
  };
  for (const path of disks) place(path, names);
  for (const [, path = ''] of dumped.matchAll(/<(?:kernel|initrd|dtb)>([^<]+)</g))
    place(unescaped(path), files);
  // Sockets and files of serial ports and channels.
  for (const [, path = ''] of dumped.matchAll(/<source(?: mode=['"]bind['"])? path=['"](\/[^'"]+)['"]/g))
    if (!written.has(unescaped(path))) place(unescaped(path), written);
  return { xml, disks: names, files, problems: confinement(dumped) };
}

/** A confined QEMU may open only what its profile names; our scratch files are not among that. */
function confinement(xml: string): StasisError[] {
  const [, model] = /<seclabel[^>]*model=['"](apparmor|selinux)['"]/.exec(xml) ?? [];
  if (model === undefined) return [];
  return [
    new StasisError(
      'vm.confined',
      `libvirt confines the domain by ${model}: QEMU may not write our scratch files.`,
      {
        hint: "Set security_driver = \"none\" in libvirt's qemu.conf, or <seclabel type='none'/> in the domain.",
        at: ['domain'],
      },
    ),
  ];
}

export function escaped(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll("'", '&apos;');
}

function unescaped(text: string): string {
  return text
    .replaceAll('&apos;', "'")
    .replaceAll('&gt;', '>')
    .replaceAll('&lt;', '<')
    .replaceAll('&amp;', '&');
}
