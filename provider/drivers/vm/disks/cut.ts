import { StasisError } from '../../../core/errors.ts';
import type { Host } from '../../../core/host.ts';
import { within } from '../../../core/wait.ts';
import { runScript } from '../../../runtime/machine.ts';
import type { Disk } from '../facts.ts';
import type { Monitor } from '../monitor/monitor.ts';
import { exportName, type Names } from '../names.ts';
import { NbdClient } from '../nbd/client.ts';
import { waitForJobs } from './jobs.ts';

const CREATE = `
folder=$1 owner=$2; shift 2
while [ $# -gt 1 ]; do
  rm -f -- "$folder/$1" && qemu-img create -q -f qcow2 -- "$folder/$1" "$2" && chown "$owner" "$folder/$1" || exit 1
  shift 2
done
`;

interface Parts {
  readonly monitor: Monitor;
  readonly host: Host;
  readonly names: Names;
  readonly folder: string;
  /** Who QEMU runs as. */
  readonly uid: number;
  readonly disks: readonly Disk[];
}

type Step = 'none' | 'ready' | 'cut' | 'exported';

/**
 * The disks as they are at one instant, while the VM writes on: of each, what is about to be overwritten goes into a
 * scratch file first (a backup job without a copy, "fleecing"), whose backing file is the disk itself. At the same
 * instant a bitmap begins to record what is written from then on, for the next capture.
 */
export class DiskCut implements AsyncDisposable {
  private readonly parts: Parts;
  private step: Step = 'none';

  constructor(parts: Parts) {
    this.parts = parts;
  }

  private get written(): readonly Disk[] {
    return this.parts.disks.filter(({ readOnly }) => !readOnly);
  }

  /** All that may come before the cut. */
  async ready(signal: AbortSignal): Promise<void> {
    const { host, names, folder, uid, monitor } = this.parts;
    await this.drop(() => undefined);
    const files = this.written.flatMap((disk, index) => [names.file(index), String(disk.sizeBytes)]);
    await runScript(host, CREATE, [folder, String(uid), ...files], { signal });
    this.step = 'ready';
    for (const [index, disk] of this.written.entries())
      await monitor.execute(
        'blockdev-add',
        {
          driver: 'qcow2',
          'node-name': names.node(index),
          backing: disk.node,
          file: { driver: 'file', filename: `${folder}/${names.file(index)}` },
        },
        signal,
      );
  }

  /** One transaction over all disks. To be called while the VM is stopped. */
  async cut(signal: AbortSignal): Promise<void> {
    const { names, monitor } = this.parts;
    const actions = this.written.flatMap((disk, index) => {
      const { node } = disk;
      const from = names.recordingOf(disk);
      return [
        {
          type: 'blockdev-backup',
          data: {
            ...{ 'job-id': names.job(index), device: node, target: names.node(index), sync: 'none' },
            'auto-dismiss': true,
          },
        },
        { type: 'block-dirty-bitmap-add', data: { node, name: names.bitmap } },
        ...(from === undefined
          ? []
          : [{ type: 'block-dirty-bitmap-disable', data: { node, name: from.name } }]),
      ];
    });
    this.step = 'cut';
    if (actions.length > 0) await monitor.execute('transaction', { actions }, signal);
  }

  /** Lets them be read. @throws StasisError `vm.exports-busy` */
  async export(signal: AbortSignal): Promise<void> {
    const { monitor, names, folder, disks } = this.parts;
    const addr = { type: 'unix', data: { path: names.socket(folder) } };
    // Said before: what is cancelled on its way to QEMU is done all the same.
    this.step = 'exported';
    await monitor.execute('nbd-server-start', { addr }, signal).catch((error: unknown) => {
      // There is one already, which is somebody else's to stop.
      if (error instanceof StasisError && error.code === 'vm.refused') this.step = 'cut';
      throw error;
    });
    for (const [index, disk] of disks.entries()) {
      const place = this.written.indexOf(disk);
      const from = names.recordingOf(disk);
      await monitor.execute(
        'block-export-add',
        {
          ...{ type: 'nbd', id: exportName(names, index), name: exportName(names, index), writable: false },
          'node-name': place < 0 ? disk.node : names.node(place),
          ...(place < 0 || from === undefined ? {} : { bitmaps: [{ node: disk.node, name: from.name }] }),
        },
        signal,
      );
    }
  }

  /** With `marks`, the client can be asked what was written since the capture before. */
  async open(disk: Disk, marks: boolean, signal: AbortSignal): Promise<NbdClient> {
    const { names, host, folder, disks } = this.parts;
    const from = names.recordingOf(disk);
    const socket = names.socket(folder);
    const path = (await host.reach?.(socket, undefined, { signal }))?.path ?? socket;
    const context = marks && from ? `qemu:dirty-bitmap:${from.name}` : undefined;
    return NbdClient.open(path, exportName(names, disks.indexOf(disk)), context, signal);
  }

  /**
   * Ends it. Where a disk was copied, what is recorded since becomes what was written after that copy; where not, it is
   * added to what was recorded before. Idempotent.
   * @param copied the name of the new recording of a disk
   */
  async drop(copied: (disk: Disk) => string | undefined): Promise<void> {
    const { monitor, names, disks } = this.parts;
    if (this.step === 'none') return;
    if (this.step === 'exported') {
      for (const index of disks.keys())
        await attempt(monitor, 'block-export-del', { id: exportName(names, index), mode: 'hard' });
      await attempt(monitor, 'nbd-server-stop');
    }
    const jobs = this.written.map((_, index) => names.job(index));
    for (const id of jobs) await attempt(monitor, 'job-cancel', { id });
    await waitForJobs(monitor, jobs);
    if (this.step !== 'ready') for (const disk of this.written) await this.settleBitmaps(disk, copied(disk));
    for (const index of this.written.keys())
      await attempt(monitor, 'blockdev-del', { 'node-name': names.node(index) });
    this.step = 'none';
  }

  private async settleBitmaps(disk: Disk, next: string | undefined): Promise<void> {
    const { monitor, names } = this.parts;
    const { node } = disk;
    const from = names.recordingOf(disk);
    const bitmap = (type: string, name: string): object => ({
      type: `block-dirty-bitmap-${type}`,
      data: { node, name },
    });
    const merge = (target: string): object => ({
      type: 'block-dirty-bitmap-merge',
      data: { node, target, bitmaps: [names.bitmap] },
    });
    const actions: object[] = [];
    if (next === undefined) {
      if (from) actions.push(merge(from.name), bitmap('enable', from.name));
    } else if (from?.name === next) actions.push(bitmap('clear', next), bitmap('enable', next), merge(next));
    else {
      actions.push(bitmap('add', next), merge(next));
      if (from) actions.push(bitmap('remove', from.name));
    }
    await attempt(monitor, 'transaction', { actions: [...actions, bitmap('remove', names.bitmap)] });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.drop(() => undefined);
  }
}

/** What is gone already is fine; a monitor that is gone leaves it to the watchdog. */
async function attempt(monitor: Monitor, command: string, args?: Record<string, unknown>): Promise<void> {
  try {
    await within(10_000, command, undefined, () => monitor.execute(command, args));
  } catch (error) {
    if (!(error instanceof StasisError)) throw error;
  }
}
