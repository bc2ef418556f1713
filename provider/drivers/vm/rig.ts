import type { Context } from '../../core/context.ts';
import type { Host } from '../../core/host.ts';
import { runScript } from '../../runtime/machine.ts';
import { GuestFreeze } from './agent/freeze.ts';
import { DiskCut } from './disks/cut.ts';
import { processOf, type VmFacts } from './facts.ts';
import { Looker } from './look.ts';
import { MemorySave } from './memory/save.ts';
import { type Access, accessOf, relayOf } from './monitor/access.ts';
import { Monitor } from './monitor/monitor.ts';
import type { Undo } from './monitor/rescue.ts';
import { newNames, staleBitmaps } from './names.ts';
import { inspectVm, type Made } from './plan.ts';
import { scratchOf, type VmSpec, withMemory } from './spec.ts';

/** All that a capture has open on the VM's host. Disposal ends it; what was begun in QEMU has to be ended before. */
export interface Rig extends AsyncDisposable {
  readonly spec: VmSpec;
  readonly host: Host;
  readonly context: Context;
  /** With the guest's agent, where it is used. */
  readonly access: Access;
  readonly monitor: Monitor;
  readonly looker: Looker;
  readonly facts: VmFacts;
  readonly made: Made;
  readonly disks: DiskCut;
  readonly guest: GuestFreeze;
  readonly save: MemorySave;
  readonly memoryFile: string;
  readonly undo: Undo;
  /** Ends a saving that is under way. */
  cancelSave(): Promise<void>;
}

/** QEMU may run as somebody else, who has to reach what it is to write. */
export const MAKE_FOLDER = `
folder=$(mktemp -d -- "$1/stasis-vm-XXXXXXXX") && chmod 711 "$folder" && echo "$folder"
`;
const OWN = `: > "$1" && chmod 600 "$1" && chown "$2" "$1" "\${1%/*}"`;

export async function makeScratch(spec: VmSpec, host: Host, signal: AbortSignal): Promise<string> {
  return (await runScript(host, MAKE_FOLDER, [scratchOf(spec)], { signal })).trim();
}

export async function dropScratch(folder: string, host: Host): Promise<void> {
  const { signal } = new AbortController();
  await runScript(host, 'rm -rf -- "$1"', [folder], { signal });
}

/** @throws StasisError as plan reports */
export async function openRig(spec: VmSpec, host: Host, context: Context): Promise<Rig> {
  const { signal, clock } = context;
  await using undo = new AsyncDisposableStack();
  const access = accessOf(spec);
  const folder = await makeScratch(spec, host, signal);
  undo.defer(() => dropScratch(folder, host));
  const monitor = undo.use(await Monitor.open(host, relayOf(access, `${folder}/relay.pid`), signal));
  const { facts, made, withAgent, problems } = await inspectVm(spec, monitor, host, signal);
  const [problem] = problems.filter(({ severity }) => severity === 'error');
  if (problem) throw problem;
  const { uid } = processOf(facts);
  await dropStale(monitor, facts, signal);
  const looker = undo.use(await Looker.open(monitor, facts.threads, host, clock));
  const names = newNames();
  const memoryFile = `${folder}/memory`;
  await runScript(host, OWN, [memoryFile, String(uid)], { signal });
  const save = new MemorySave(monitor, memoryFile);
  const settings = withMemory(spec) ? await save.settings(facts, signal) : [];
  const disks = new DiskCut({ monitor, host, names, folder, uid, disks: facts.disks });
  const guest = undo.use(new GuestFreeze({ spec, host, access: withAgent, folder }));
  const cancelSave = async (): Promise<void> => {
    if (!withMemory(spec) || monitor.lost) return;
    await save.cancel();
  };
  undo.defer(async () => {
    await cancelSave();
    if (monitor.lost) return;
    for (const [command, args] of settings) await monitor.execute(command, args);
  });
  const open = undo.move();
  return {
    ...{ spec, host, context, monitor, looker, facts, made, disks, guest, save, memoryFile, cancelSave },
    access: withAgent ?? access,
    undo: { names, folder, disks: facts.disks, settings },
    [Symbol.asyncDispose]: () => open.disposeAsync(),
  };
}

async function dropStale(monitor: Monitor, { disks }: VmFacts, signal: AbortSignal): Promise<void> {
  for (const disk of disks)
    for (const { name } of staleBitmaps(disk))
      await monitor.execute('block-dirty-bitmap-remove', { node: disk.node, name }, signal);
}
