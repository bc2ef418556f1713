import type { Context } from '../../core/context.ts';
import type { Held, RestoreOptions } from '../../core/driver.ts';
import type { Fingerprint, FingerprintEntry } from '../../core/fingerprint.ts';
import type { Host } from '../../core/host.ts';
import type { Answers } from '../../core/probe.ts';
import { Dump, imagesIn } from '../../runtime/dump.ts';
import { fingerprintImages } from '../../runtime/images/fingerprint.ts';
import { runScript } from '../../runtime/machine.ts';
import { memoryFolder } from '../../runtime/memory-folder.ts';
import { fingerprintTree } from '../../runtime/trees.ts';
import { containerAnswers } from './answers.ts';
import { configureCriu, DUMP_OPTIONS, dumpCommand } from './captured.ts';
import { fingerprintChanges } from './changes.ts';
import { type Content, memoryBytes } from './content.ts';
import { exportDefinition } from './definition.ts';
import { LET_FELLOWS } from './egress-scripts.ts';
import { fingerprintDefinition, nameInFingerprint } from './fingerprint.ts';
import type { LookedContainer } from './look.ts';
import { dropMade, type Made } from './made.ts';
import type { Place } from './place.ts';
import { LET_RUN, RELEASE } from './restore-scripts.ts';
import { sorted } from './session.ts';
import type { ContainerSpec } from './spec.ts';

interface Parts {
  readonly spec: ContainerSpec;
  readonly host: Host;
  readonly context: Context;
  readonly content: Content;
  readonly place: Place;
  readonly containers: readonly LookedContainer[];
  readonly options: RestoreOptions;
  readonly made: Made;
}

const RELEASE_MS = 60_000;

/** Containers that were brought back and are frozen still, until they are rehearsed or released. */
export class RestoredContainers implements Held {
  private readonly parts: Parts;
  private released = false;

  constructor(parts: Parts) {
    this.parts = parts;
  }

  /** Of what is there: dumped again, and read from podman and from disk. Not of what was written to be restored. */
  async *fingerprint(): Fingerprint {
    const { host, context, content, containers } = this.parts;
    const { signal } = context;
    await using folder = await memoryFolder(host, 2 * memoryBytes(content), signal);
    const entries: FingerprintEntry[] = [];
    for (const [index, looked] of containers.entries()) {
      entries.push(...(await this.fingerprintOne(looked, `${folder.path}/${index}`)));
    }
    yield* sorted([...entries, ...(await this.fingerprintFolders())]);
  }

  private async fingerprintOne(looked: LookedContainer, folder: string): Promise<FingerprintEntry[]> {
    const { host, context } = this.parts;
    const { signal } = context;
    const { container, upper, shm } = looked;
    const name = nameInFingerprint(container);
    const definition = await exportDefinition(`${folder}/podman`, container, host, signal);
    await configureCriu(`${folder}/home`, DUMP_OPTIONS, host, signal);
    const own = `${folder}/dump`;
    await runScript(host, 'mkdir -p -m 700 -- "$1"', [own], { signal });
    const command = dumpCommand(`${folder}/home`, container.OCIRuntime, container.Id, own);
    await using dump = await Dump.ready(own, command, host);
    await dump.run(signal);
    const memory = await fingerprintImages(await imagesIn(own, host, signal));
    return [
      ...fingerprintDefinition(name, container, definition),
      ...(await fingerprintChanges(name, upper, looked, host, signal)),
      ...(shm === '' ? [] : await fingerprintTree(`/${name}/shm`, shm, host, signal)),
      ...memory.map((entry) => ({ ...entry, object: `${name}/${entry.object}` })),
    ];
  }

  private async fingerprintFolders(): Promise<FingerprintEntry[]> {
    const { host, context, content, containers } = this.parts;
    const mounts = containers.flatMap(({ container }) => container.Mounts ?? []);
    const volumes = content.volumes.map(({ name }) => ({
      name: `/volume/${name}`,
      path: mounts.find((mount) => mount.Type === 'volume' && mount.Name === name)?.Source ?? '',
    }));
    const folders = content.folders.map(({ path }) => ({ name: `/host${path}`, path }));
    const entries = [...volumes, ...folders].map(({ name, path }) =>
      fingerprintTree(name, path, host, context.signal),
    );
    return (await Promise.all(entries)).flat();
  }

  async rehearse(): Promise<Answers> {
    const { host, place, containers, options, context } = this.parts;
    const { signal } = context;
    if (options.egress === 'blocked') await this.letFellows(signal);
    await runScript(host, LET_RUN, [place.fellows, ...this.frozen()], { signal, timeoutMs: RELEASE_MS });
    return containerAnswers(host, containers);
  }

  /** Of each container its control group and its first process. */
  private frozen(): string[] {
    return this.parts.containers.flatMap(({ group, container }) => [group, String(container.State.Pid)]);
  }

  private async letFellows(signal: AbortSignal): Promise<void> {
    const { host, place, containers } = this.parts;
    const pids = containers.map(({ container }) => String(container.State.Pid));
    await runScript(host, LET_FELLOWS, [place.egressKey, ...pids], { signal });
  }

  async release(): Promise<void> {
    if (this.released) return;
    const { host, place, containers, options } = this.parts;
    const { signal } = new AbortController();
    const ids = containers.map(({ container }) => container.Id);
    const remembered = JSON.stringify({ restoreId: options.restoreId, containers: ids });
    if (options.egress === 'blocked') await this.letFellows(signal);
    const args = [place.record, remembered, place.fellows, ...this.frozen()];
    await runScript(host, RELEASE, args, { signal, timeoutMs: RELEASE_MS });
    this.released = true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.released) await dropMade(this.parts.made, this.parts.host);
  }
}
