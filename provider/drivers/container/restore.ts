import { hash } from 'node:crypto';
import type { Context } from '../../core/context.ts';
import type { Held, RestoreOptions } from '../../core/driver.ts';
import { StasisError } from '../../core/errors.ts';
import type { Host } from '../../core/host.ts';
import type { MemberCapture } from '../../core/manifest.ts';
import type { BlobReader } from '../../core/store.ts';
import { runScript } from '../../runtime/machine.ts';
import { type Content, readContent } from './content.ts';
import { MEET_FELLOWS, PREPARE_EGRESS } from './egress-scripts.ts';
import { fillImport } from './import.ts';
import { look } from './look.ts';
import { dropMade, journalSchema, type Made, madeBy } from './made.ts';
import { createPod } from './network.ts';
import { type Place, placeOf } from './place.ts';
import { insistOnTarget, namesIn, type Target } from './plan-restore.ts';
import { parsePods } from './podman.ts';
import { HOOK, MAKE_FOLDER, OWN_FOLDERS, RESTORE, TELL_ADDRESSES } from './restore-scripts.ts';
import { RestoredContainers } from './restored.ts';
import { type ContainerSpec, nameOf } from './spec.ts';
import { loadFolders, loadImages, makeNetworks } from './surroundings.ts';

/** Podman, conmon, crun and CRIU, on a busy machine. */
const RESTORE_MS = 180_000;
const STEP_MS = 60_000;

interface Job {
  readonly spec: ContainerSpec;
  readonly host: Host;
  readonly content: Content;
  readonly place: Place;
  readonly target: Target;
  /** Of each container, in the snapshot's order. */
  readonly ids: readonly string[];
  readonly blobs: BlobReader;
  readonly signal: AbortSignal;
}

/** Brings containers back with all that they need, each frozen from the first instruction on. */
export async function restoreContainers(
  spec: ContainerSpec,
  host: Host,
  from: MemberCapture,
  blobs: BlobReader,
  options: RestoreOptions,
  context: Context,
): Promise<Held> {
  const { signal } = context;
  const content = readContent(from);
  const place = placeOf(spec, options.restoreId);
  const target = await insistOnTarget(spec, host, content, options, signal);
  const ids = content.containers.map(({ id }) =>
    target.ids.includes(id) ? hash('sha256', `${options.restoreId} ${id}`, 'hex') : id,
  );
  const made = madeBy(spec, content, ids, target, place, options.restoreId);
  const replaced = replacedIn(spec, target);
  // Until what is there has to go, undoing leaves it as it is.
  let undoing = { ...made, made: made.made.filter((one) => !replaced.includes(one)) };
  await options.journal(undoing);
  const job: Job = { spec, host, content, place, target, ids, blobs, signal };
  try {
    const egress = options.egress ?? 'open';
    await runScript(host, MAKE_FOLDER, [place.folder, target.groups, HOOK, egress], { signal });
    await runScript(host, PREPARE_EGRESS, [egress, place.egressKey, ...ids], { signal });
    await loadImages(content, target, blobs, host, signal);
    if (replaced.length > 0) {
      await options.journal(made);
      undoing = made;
      await dropMade({ groups: target.groups, made: replaced }, host);
    }
    await makeNetworks(content, target, host, signal);
    await loadFolders(content, blobs, host, signal);
    await restoreAll(job);
    await runScript(host, 'rm -rf -- "$1"', [place.folder], { signal });
    const { containers } = await look({ ...spec, files: [] }, host, signal);
    insistOnAll(content, containers.length);
    const pids = containers.map(({ container }) => String(container.State.Pid));
    await runScript(host, TELL_ADDRESSES, [place.fellows, ...pids], { signal });
    if (egress === 'blocked')
      await runScript(host, MEET_FELLOWS, [place.egressKey, ...ids], { signal, timeoutMs: STEP_MS });
    return new RestoredContainers({ spec, host, context, content, place, containers, options, made });
  } catch (error) {
    await dropMade(undoing, host);
    throw error;
  }
}

/** What overwrite has allowed: podman cannot have two of a name, so what is there goes. The safety snapshot has it. */
function replacedIn(spec: ContainerSpec, { containers, pods, volumes, folders }: Target): string[] {
  return [
    ...(spec.pod === undefined ? containers.map((name) => `container:${name}`) : []),
    ...pods.map((name) => `pod:${name}`),
    ...volumes.map((name) => `volume:${name}`),
    ...folders.map((path) => `folder:${path}`),
  ];
}

async function restoreAll(job: Job): Promise<void> {
  const { spec, host, content, place, ids, blobs, signal, target } = job;
  const podGroup = content.pod ? await makePod(job) : undefined;
  const names = namesIn(spec, content);
  for (const [index, container] of content.containers.entries()) {
    const folder = `${place.folder}/import-${index}`;
    const group = groupOf(container.group, content.pod?.group, podGroup).replaceAll(
      container.id,
      ids[index]!,
    );
    const named = {
      name: names[index]!,
      id: ids[index]!,
      group,
      byId: target.takenNames.includes(container.imageName),
    };
    await fillImport(folder, container, named, blobs, host, signal);
    const args = [place.folder, folder, ids[index]!, content.pod ? nameOf(spec) : ''];
    await runScript(host, RESTORE, args, { signal, timeoutMs: RESTORE_MS }).catch((error: unknown) => {
      throw failureOf(container.name, error);
    });
  }
  const owners = await ownersOf(content, host, signal);
  await runScript(host, OWN_FOLDERS, owners, { signal });
}

/** Its control group has another number here. */
async function makePod({ spec, host, content, signal }: Job): Promise<string> {
  const name = nameOf(spec);
  const script = '"$@" > /dev/null && podman pod start -- "$0" > /dev/null && podman pod inspect -- "$0"';
  const argv = ['sh', '-c', script, name, ...createPod(content.pod!, name)];
  const { status, stdout, stderr } = await host.run(argv, { signal, timeoutMs: STEP_MS });
  if (status !== 0)
    throw new StasisError('container.pod-failed', `The pod "${name}" could not be made: ${stderr.trim()}.`, {
      hint: 'Look whether its ports and addresses are free on the target.',
      at: ['pod'],
    });
  return parsePods(stdout)[0]?.CgroupPath ?? '';
}

function groupOf(group: string, was: string | undefined, is: string | undefined): string {
  return was !== undefined && is !== undefined && was !== '' ? group.replace(was, is) : group;
}

function failureOf(name: string, error: unknown): unknown {
  if (!(error instanceof StasisError) || error.code !== 'runtime.host-failed') return error;
  const said = String(error.details.said ?? '');
  const why = /Error \([^)]*\): (.*)/.exec(said)?.[1] ?? said.split('\n')[0];
  return new StasisError(
    'container.restore-failed',
    `The container "${name}" could not be brought back: ${why?.replace(/\.$/, '')}.`,
    { hint: 'The details have what podman and CRIU said.', details: { said }, cause: error },
  );
}

async function ownersOf(content: Content, host: Host, signal: AbortSignal): Promise<string[]> {
  const owners: string[] = [];
  for (const { name, root } of content.volumes) {
    const script = `podman volume inspect --format '{{.Mountpoint}}' -- "$1"`;
    const [owner = '', mode = ''] = root.split(' ');
    owners.push((await runScript(host, script, [name], { signal })).trim(), owner, mode);
  }
  return owners;
}

function insistOnAll({ containers }: Content, running: number): void {
  if (running === containers.length) return;
  throw new StasisError('container.ended', 'A restored container has ended before it was released.', {
    hint: 'Its memory may refer to what the target lacks; see "podman logs".',
  });
}

/** What a restore that died has left goes, unless it was released: then it lives. */
export async function undoContainers(host: Host, entry: unknown, context: Context): Promise<void> {
  const parsed = journalSchema.safeParse(entry);
  if (!parsed.success)
    throw new StasisError('container.malformed-journal', 'The journal of an earlier restore cannot be read.');
  const { record, restoreId }: Made = parsed.data;
  const remembered = await runScript(host, 'cat -- "$1" 2>/dev/null || true', [record], {
    signal: context.signal,
  });
  if (remembered.includes(JSON.stringify(restoreId))) return;
  await dropMade(parsed.data, host);
}
