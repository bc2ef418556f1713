import type { Context } from '../../core/context.ts';
import type { Held } from '../../core/driver.ts';
import type { Fingerprint, FingerprintEntry } from '../../core/fingerprint.ts';
import { readHostFile, runScript } from '../../runtime/machine.ts';
import { machineEntry, sorted } from './copy.ts';
import { entriesOf } from './disks/map.ts';
import { surveyDisk } from './disks/regions.ts';
import { type Disk, readFacts, type VmFacts } from './facts.ts';
import { filesIn, fingerprintFiles } from './files.ts';
import type { LoadedMachine, Loading } from './loaded-machine.ts';
import { MemorySave } from './memory/save.ts';
import { fingerprintStream } from './memory/store.ts';
import { NbdClient } from './nbd/client.ts';

interface Parts extends Loading {
  readonly context: Context;
  readonly machine: LoadedMachine;
  readonly drop: () => Promise<void>;
}

/**
 * The target remembers what filled it: RECORD REMEMBERED FOLDER. Prints the folder of a VM of ours that was there
 * before.
 */
const REMEMBER = `
record=$1 remembered=$2 folder=$3 old=
while read -r line; do
  case $line in *'"folder":"'*) old=\${line#*'"folder":"'}; old=\${old%%'"'*} ;; esac
done < "$record" 2> /dev/null
printf '%s\\n' "$remembered" > "$record.new" && mv -f -- "$record.new" "$record" || exit 1
case $old in '' | "$folder") ;; "\${folder%/*}"/*) printf %s "$old" ;; esac
`;

/** A VM that was brought back and is stopped still. */
export class RestoredVm implements Held {
  private readonly parts: Parts;
  private released = false;

  constructor(parts: Parts) {
    this.parts = parts;
  }

  /** Of what QEMU has loaded: its disks as it reads them, and its memory as it saves it again. */
  async *fingerprint(): Fingerprint {
    const { host, context, content, place } = this.parts;
    const { monitor } = this.parts.machine;
    const { signal } = context;
    const facts = await readFacts(monitor, host, signal);
    const entries: FingerprintEntry[] = [machineEntry(facts.machine)];
    entries.push(...(await fingerprintFiles(filesIn(content, place), host, signal)));
    entries.push(...(await this.disks(facts, signal)));
    if (content.memory) {
      const path = `${place.folder}/stasis-memory-again`;
      const save = new MemorySave(monitor, path);
      const settings = await save.settings(facts, signal);
      await save.prepare(facts, signal);
      await save.begin(signal);
      await save.end(signal);
      entries.push(...(await fingerprintStream(readHostFile(host, path, signal))));
      for (const [command, args] of settings) await monitor.execute(command, args);
      await runScript(host, 'rm -f -- "$1"', [path], { signal });
    }
    yield* sorted(entries);
  }

  private async disks({ disks }: VmFacts, signal: AbortSignal): Promise<FingerprintEntry[]> {
    const { place, host } = this.parts;
    const { monitor } = this.parts.machine;
    const socket = `${place.folder}/stasis-nbd.sock`;
    const entries: FingerprintEntry[] = [];
    await monitor.execute('nbd-server-start', { addr: { type: 'unix', data: { path: socket } } }, signal);
    try {
      const path = (await host.reach?.(socket, undefined, { signal }))?.path ?? socket;
      for (const [index, disk] of disks.entries()) {
        const name = `stasis-${index}`;
        await this.export(disk, name, signal);
        await using client = await NbdClient.open(path, name, undefined, signal);
        entries.push(...entriesOf(disk.name, await surveyDisk(client, undefined, signal), disk.sizeBytes));
      }
    } finally {
      await monitor.execute('nbd-server-stop').catch(() => undefined);
      await runScript(host, 'rm -f -- "$1"', [socket], { signal: new AbortController().signal });
    }
    return entries;
  }

  /** From 10.0 on QEMU leaves the disks of a VM that was loaded and does not run inactive, and can show them so. */
  private async export({ node }: Disk, name: string, signal: AbortSignal): Promise<void> {
    const { monitor } = this.parts.machine;
    const wanted = { type: 'nbd', id: name, name, 'node-name': node, writable: false };
    await monitor
      .execute('block-export-add', { ...wanted, 'allow-inactive': true }, signal)
      .catch(() => monitor.execute('block-export-add', wanted, signal));
  }

  async release(): Promise<void> {
    if (this.released) return;
    const { host, place, restoreId, machine } = this.parts;
    const { signal } = new AbortController();
    const remembered = JSON.stringify({ restoreId, folder: place.folder });
    const before = await runScript(host, REMEMBER, [place.record, remembered, place.folder], { signal });
    try {
      await machine.release();
    } catch (error) {
      await runScript(host, 'rm -f -- "$1"', [place.record], { signal });
      throw error;
    }
    this.released = true;
    // QEMU serves one client at a time at its socket, which is the target's from now on.
    await machine.monitor[Symbol.asyncDispose]();
    // The VM runs: what is left over is no reason to say that it does not.
    const rest = [place.memory, ...(before === '' ? [] : [before])];
    await runScript(host, 'rm -rf -- "$@"', rest, { signal }).catch(() => undefined);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.parts.machine.monitor[Symbol.asyncDispose]();
    if (!this.released) await this.parts.drop();
  }
}
