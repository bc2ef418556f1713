import type { Clock } from '../../core/context.ts';
import type { FingerprintEntry } from '../../core/fingerprint.ts';
import type { Host } from '../../core/host.ts';
import { type DumpCommand, imagesIn } from '../../runtime/dump.ts';
import { FrozenGroup } from '../../runtime/frozen.ts';
import { fingerprintImages } from '../../runtime/images/fingerprint.ts';
import type { Images } from '../../runtime/images/image.ts';
import { runScript } from '../../runtime/machine.ts';
import { besideOf, dropTree, fingerprintTree, keepTree, type TreeCopy } from '../../runtime/trees.ts';
import { fingerprintChanges } from './changes.ts';
import { type Definition, exportDefinition } from './definition.ts';
import { fingerprintDefinition, nameInFingerprint } from './fingerprint.ts';
import type { LookedContainer } from './look.ts';

/** CRIU reads its configuration from the home of whoever runs it, which is how options reach it that crun has not. */
const CONFIGURE = `
mkdir -p -m 700 -- "$1/.criu" && printf '%s\\n' "$2" > "$1/.criu/default.conf"
`;
/**
 * Both ends of what matters are frozen, so nothing has to be kept from a connection; who was not accepted yet is reset, as
 * are all others from outside; deleted files up to 256 MB.
 */
export const DUMP_OPTIONS = `network-lock skip\nskip-in-flight\nghost-limit ${256 * 1024 * 1024}`;

export function configureCriu(
  home: string,
  options: string,
  host: Host,
  signal: AbortSignal,
): Promise<string> {
  return runScript(host, CONFIGURE, [home, options], { signal });
}

/** Lets crun dump a container by CRIU, frozen in its group, into a folder. */
export function dumpCommand(home: string, runtime: string, id: string, folder: string): DumpCommand {
  const argv = [
    ...['env', `HOME=${home}`, runtime, 'checkpoint', `--image-path=${folder}`, `--work-path=${folder}`],
    ...['--leave-running', '--tcp-established', '--file-locks', '--ext-unix-sk'],
    // Which group a container is in, podman says; its groups' settings are no state of its own.
    ...['--manage-cgroups-mode', 'ignore', id],
  ];
  return { argv };
}

/** One container within a capture: its frozen group, and what it has besides its memory. */
export class CapturedContainer implements AsyncDisposable {
  readonly looked: LookedContainer;
  readonly frozen: FrozenGroup;
  readonly definition: Definition;
  private readonly folder: string;
  private readonly host: Host;
  private kept: { readonly changes: TreeCopy; readonly shared: TreeCopy | undefined } | undefined;

  private constructor(
    looked: LookedContainer,
    frozen: FrozenGroup,
    definition: Definition,
    folder: string,
    host: Host,
  ) {
    this.looked = looked;
    this.frozen = frozen;
    this.definition = definition;
    this.folder = folder;
    this.host = host;
  }

  /** `folder` is in memory and of this container alone. */
  static async open(
    looked: LookedContainer,
    folder: string,
    host: Host,
    clock: Clock,
    signal: AbortSignal,
  ): Promise<CapturedContainer> {
    const { container, group } = looked;
    const definition = await exportDefinition(`${folder}/podman`, container, host, signal);
    const command = async (own: string): Promise<DumpCommand> => {
      await configureCriu(`${own}/home`, DUMP_OPTIONS, host, signal);
      return dumpCommand(`${own}/home`, container.OCIRuntime, container.Id, own);
    };
    const frozen = await FrozenGroup.open({ group, folder, command }, host, clock);
    return new CapturedContainer(looked, frozen, definition, folder, host);
  }

  get name(): string {
    return this.looked.container.Name;
  }

  /** While nothing is held: what the last try has kept goes, and the next dump waits for a word. */
  async settle(signal: AbortSignal, leaseMs?: number): Promise<void> {
    await this.drop();
    await this.frozen.settle(signal, leaseMs);
  }

  /** What is in the container and not in its memory, while it is held. The dump runs beside it. */
  async keep(signal: AbortSignal): Promise<void> {
    const { upper, shm } = this.looked;
    const changes = { path: upper, from: upper, copy: this.beside(upper) };
    // With the dump, so that it goes with it whoever ends it.
    const shared =
      shm === '' ? undefined : { path: shm, from: shm, copy: `${this.folder}/${this.frozen.round}/shared` };
    this.kept = { changes, shared };
    await Promise.all([
      keepTree(changes, this.host, signal),
      ...(shared ? [keepTree(shared, this.host, signal)] : []),
    ]);
  }

  /** Where the copy of a folder lies that belongs to the last dump. */
  beside(path: string): string {
    return besideOf(path, this.folder, this.frozen.round);
  }

  /** Where what was kept lies. */
  get changes(): string {
    return this.kept!.changes.copy;
  }

  get shared(): TreeCopy | undefined {
    return this.kept?.shared;
  }

  /** Of the last dump as it lies on the host. */
  images(signal: AbortSignal): Promise<Images> {
    return imagesIn(this.frozen.dumped!, this.host, signal);
  }

  async fingerprint(images: Images, signal: AbortSignal): Promise<FingerprintEntry[]> {
    const { looked, host, definition } = this;
    const name = nameInFingerprint(looked.container);
    const [changes, shared, memory] = await Promise.all([
      fingerprintChanges(name, this.changes, looked, host, signal),
      this.shared ? fingerprintTree(`/${name}/shm`, this.shared.copy, host, signal) : [],
      fingerprintImages(images),
    ]);
    return [
      ...fingerprintDefinition(name, looked.container, definition),
      ...[...changes, ...shared],
      ...memory.map((entry) => ({ ...entry, object: `${name}/${entry.object}` })),
    ];
  }

  private async drop(): Promise<void> {
    const { kept } = this;
    this.kept = undefined;
    const { signal } = new AbortController();
    for (const tree of [kept?.changes, kept?.shared]) if (tree) await dropTree(tree, this.host, signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.frozen[Symbol.asyncDispose]();
    await this.drop();
  }
}
