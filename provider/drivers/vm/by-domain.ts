import { hash } from 'node:crypto';
import { once } from '../../core/content.ts';
import { StasisError } from '../../core/errors.ts';
import type { Host } from '../../core/host.ts';
import type { BlobReader } from '../../core/store.ts';
import { runScript } from '../../runtime/machine.ts';
import { FOLDER_MARK } from './arguments.ts';
import { escaped, virsh } from './domain.ts';
import type { LoadedMachine, Loading } from './loaded-machine.ts';
import { storedStream } from './memory/store.ts';
import { accessOf, relayOf } from './monitor/access.ts';
import { Monitor } from './monitor/monitor.ts';
import { uriOf } from './spec.ts';

/** A machine of some GB is read from a disk. */
const RESTORE_MS = 3_600_000;

/**
 * Puts the domain that is there aside, as it is: URI DOMAIN FOLDER. What it was made of and what it had in its memory
 * lies in the folder until the new one runs, so that it can be brought back.
 */
const SET_ASIDE = `
uri=$1 domain=$2 folder=$3
v() { virsh -q -c "$uri" "$@"; }
v dumpxml --inactive "$domain" > "$folder/stasis-old.xml.new" && mv "$folder/stasis-old.xml.new" "$folder/stasis-old.xml" || exit 1
case $(v domstate "$domain") in 'shut off') ;; *) v save "$domain" "$folder/stasis-old-state" || exit 1 ;; esac
v undefine --keep-nvram "$domain" 2> /dev/null
exit 0
`;

/** Ends the domain if it is the one whose disks are in the folder, and brings back what was set aside: URI DOMAIN FOLDER */
const DROP = `
uri=$1 domain=$2 folder=$3
v() { virsh -q -c "$uri" "$@" 2> /dev/null; }
if v dumpxml "$domain" | grep -qF -- "$folder/"; then
  v destroy "$domain"
  v undefine --keep-nvram "$domain"
fi
[ ! -e "$folder/stasis-old.xml" ] || v define "$folder/stasis-old.xml"
[ ! -e "$folder/stasis-old-state" ] || v restore "$folder/stasis-old-state"
exit 0
`;

/** Starts a domain of libvirt's by the captured XML, paused, with its memory. */
export async function startByDomain(loading: Loading, xml: string): Promise<LoadedMachine> {
  const { spec, host, place, content, signal, replaces } = loading;
  const domain = spec.domain ?? '';
  const own = xmlFor(loading, xml);
  const file = `${place.folder}/stasis-domain.xml`;
  await host.write(file, once(Buffer.from(own)), { signal });
  if (replaces)
    await runScript(host, SET_ASIDE, [uriOf(spec), domain, place.folder], { signal, timeoutMs: RESTORE_MS });
  if (content.memory) await virsh(spec, ['restore', place.memory, '--paused'], host, signal, RESTORE_MS);
  await virsh(spec, ['define', file], host, signal);
  if (!content.memory) await virsh(spec, ['start', domain, '--paused'], host, signal, RESTORE_MS);
  const monitor = await Monitor.open(host, relayOf(accessOf(spec), ''), signal);
  return {
    monitor,
    async release(): Promise<void> {
      const unaborted = new AbortController().signal;
      await virsh(spec, ['resume', domain], host, unaborted);
      const rest = 'rm -f -- "$1/stasis-old.xml" "$1/stasis-old-state"';
      await runScript(host, rest, [place.folder], { signal: unaborted });
    },
  };
}

export async function dropDomain(uri: string, domain: string, folder: string, host: Host): Promise<void> {
  await runScript(host, DROP, [uri, domain, folder], {
    signal: new AbortController().signal,
    timeoutMs: RESTORE_MS,
  });
}

/** Under the target's name, with its disks in the folder; another name is another machine, with an id of its own. */
function xmlFor({ spec, place, restoreId }: Loading, captured: string): string {
  const xml = captured.replaceAll(FOLDER_MARK, escaped(place.folder));
  const [, name] = /<name>([^<]*)<\/name>/.exec(xml) ?? [];
  if (name === spec.domain) return xml;
  const hex = hash('sha256', `${restoreId} ${spec.domain}`, 'hex');
  const uuid = [
    hex.slice(0, 8),
    hex.slice(8, 12),
    `4${hex.slice(13, 16)}`,
    `8${hex.slice(17, 20)}`,
    hex.slice(20, 32),
  ];
  return xml
    .replace(/<name>[^<]*<\/name>/, `<name>${escaped(spec.domain ?? '')}</name>`)
    .replace(/<uuid>[^<]*<\/uuid>/, `<uuid>${uuid.join('-')}</uuid>`);
}

/** As libvirt saves a domain (src/qemu/qemu_saveimage.h): a head of 92 bytes, the XML, and a migration stream. */
const SAVE_MAGIC = 'LibvirtQemudSave';
const SAVE_VERSION = 2;
const SAVE_HEAD_BYTES = 92;

/** What `virsh restore` reads. */
export async function writeSavedDomain(loading: Loading, blobs: BlobReader): Promise<void> {
  const { content, host, place, signal } = loading;
  const { made, memory } = content;
  if (!('xml' in made) || memory === undefined)
    throw new StasisError('vm.malformed-content', 'There is no domain.');
  const xml = Buffer.from(`${xmlFor(loading, made.xml)}\0`);
  const head = Buffer.alloc(SAVE_HEAD_BYTES);
  head.write(SAVE_MAGIC, 'latin1');
  head.writeUInt32LE(SAVE_VERSION, 16);
  head.writeUInt32LE(xml.length, 20);
  async function* file(): AsyncGenerator<Uint8Array> {
    yield head;
    yield xml;
    yield* storedStream(memory!, blobs);
  }
  await host.write(place.memory, file(), { signal });
}
