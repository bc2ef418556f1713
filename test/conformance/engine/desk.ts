import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from '@jest/globals';
import type { Manifest } from '../../../provider/core/manifest.ts';
import type { Reference } from '../../../provider/core/reference.ts';
import type { Store } from '../../../provider/core/store.ts';
import { ociLayout } from '../../../provider/stores/oci-layout/type.ts';
import { testContext } from '../../support/context.ts';
import type { Program, RestoreModel, SnapshotModel } from './program.ts';
import { type Servers, startServers } from './servers.ts';
import type { WayName } from './table.ts';
import type { Outcome, Prepared, Project, Verb } from './way.ts';

/** How many files a site has. */
export const SITE_FILES = 20;

/** A folder with a site to capture, and a store beside it. */
export class Place {
  readonly folder: string;

  constructor(folder: string) {
    this.folder = folder;
  }

  path(name: string): string {
    return join(this.folder, name);
  }

  get store(): { readonly path: string } {
    return { path: this.path('store') };
  }

  openStore(): Promise<Store> {
    return ociLayout.open(this.store, testContext());
  }

  async manifest({ name, digest }: Reference): Promise<Manifest> {
    return (await (await this.openStore()).open(name, digest!, testContext())).manifest;
  }

  /** Numbers of the sealed snapshots of a name, oldest first. */
  async generations(name: string): Promise<number[]> {
    const record = await (await this.openStore()).name(name);
    return (record?.generations ?? []).map(({ generation }) => generation).sort((a, b) => a - b);
  }

  /** The one snapshot that most scenarios need: a site, which is a folder. */
  snapshot(more: Partial<SnapshotModel> = {}): SnapshotModel {
    return {
      ...{ kind: 'Snapshot', id: 'shop', name: 'shop', store: this.store },
      members: { site: { files: { path: this.path('site') } } },
      ...more,
    };
  }

  /** Its twin beside it. */
  restore(more: Partial<RestoreModel> = {}): RestoreModel {
    return {
      ...{ kind: 'Restore', id: 'twin', snapshot: { from: ['shop', 'reference'] }, store: this.store },
      members: { site: { files: { path: this.path('twin') } } },
      ...more,
    };
  }
}

/** The snapshot and its twin, once they have come to be. */
export interface Created {
  readonly place: Place;
  readonly planned: Outcome;
}

/**
 * One project of one user, with real servers, where all scenarios of a way are gone through. Each begins either with
 * nothing or with a snapshot and its twin, and what the engine remembered of another one is put back before.
 */
export class Desk implements AsyncDisposable {
  readonly way: WayName;
  readonly servers: Servers;
  readonly project: Project;
  /** Where the project is. */
  readonly folder: string;
  private readonly root: string;
  private readonly ends: AsyncDisposableStack;
  private created_: Promise<Created> | undefined;
  private places = 0;

  private constructor(
    way: WayName,
    root: string,
    servers: Servers,
    project: Project,
    ends: AsyncDisposableStack,
  ) {
    this.way = way;
    this.root = root;
    this.folder = join(root, 'project');
    this.servers = servers;
    this.project = project;
    this.ends = ends;
  }

  static async open(way: WayName, prepared: Prepared): Promise<Desk> {
    await using ends = new AsyncDisposableStack();
    const root = await mkdtemp(join(tmpdir(), 'stasis-engine-'));
    ends.defer(() => rm(root, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 }));
    const servers = ends.use(await startServers(root));
    await mkdir(join(root, 'project'));
    const project = ends.use(await prepared.open(join(root, 'project'), servers.secrets));
    const desk = new Desk(way, root, servers, project, ends.move());
    await desk.keep('nothing');
    return desk;
  }

  /** Nothing is remembered, and here is a site that nothing has captured. */
  async fresh(): Promise<Place> {
    await this.putBack('nothing');
    return this.newPlace();
  }

  /** A snapshot and its twin have come to be. */
  async created(): Promise<Place> {
    const { place } = await this.create();
    await this.putBack('created');
    await cp(join(this.root, 'kept/store'), place.store.path, { recursive: true, preserveTimestamps: true });
    return place;
  }

  /** Brings them about, the first time. */
  create(): Promise<Created> {
    this.created_ ??= this.createNow();
    return this.created_;
  }

  private async createNow(): Promise<Created> {
    const place = await this.fresh();
    await this.project.write({ resources: [place.snapshot(), place.restore()] });
    const planned = await this.run('plan');
    const applied = await this.run('apply');
    if (!applied.succeeded) throw new Error(`the first apply failed\n${applied.text}`);
    await this.keep('created');
    await cp(place.store.path, join(this.root, 'kept/store'), { recursive: true, preserveTimestamps: true });
    return { place, planned };
  }

  /** The engine remembers nothing any more; what it had done stays. */
  forget(): Promise<void> {
    return this.putBack('nothing');
  }

  private async newPlace(): Promise<Place> {
    this.places += 1;
    const place = new Place(join(this.root, `place-${this.places}`));
    await writeSite(place.path('site'));
    await writeFile(place.path('file'), 'no folder\n');
    return place;
  }

  private async keep(name: string): Promise<void> {
    for (const part of this.project.memory) await copy(join(this.folder, part), this.kept(name, part));
  }

  private async putBack(name: string): Promise<void> {
    for (const part of this.project.memory) await copy(this.kept(name, part), join(this.folder, part));
    if (name === 'created')
      await rm((await this.create()).place.store.path, { recursive: true, force: true });
  }

  private kept(name: string, part: string): string {
    return join(this.root, 'kept', name, part);
  }

  async run(verb: Verb, options?: { readonly traced?: boolean }): Promise<Outcome> {
    return (await this.project.start(verb, options)).finished;
  }

  /** What has to succeed. */
  async ok(verb: Verb): Promise<Outcome> {
    const outcome = await this.run(verb);
    expect(outcome.succeeded ? '' : outcome.text).toBe('');
    return outcome;
  }

  async apply(program: Program): Promise<Outcome> {
    await this.project.write(program);
    return this.ok('apply');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.ends.disposeAsync();
  }
}

export async function writeSite(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  for (let n = 0; n < SITE_FILES; n += 1) await writeFile(join(folder, `${n}.txt`), `page ${n}\n`);
}

/** What is not there is not there afterwards either. */
async function copy(from: string, to: string): Promise<void> {
  await rm(to, { recursive: true, force: true });
  await cp(from, to, { recursive: true }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
  });
}
