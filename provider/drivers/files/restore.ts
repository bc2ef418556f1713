import type { Context } from '../../core/context.ts';
import type { Held, RestoreOptions } from '../../core/driver.ts';
import { StasisError } from '../../core/errors.ts';
import type { Fingerprint } from '../../core/fingerprint.ts';
import type { Host } from '../../core/host.ts';
import type { MemberCapture } from '../../core/manifest.ts';
import type { Answers } from '../../core/probe.ts';
import type { BlobReader } from '../../core/store.ts';
import type { Warmth } from '../../core/warmth.ts';
import { accessTo, type TreeAccess } from './access.ts';
import { findAttributeTools } from './attributes.ts';
import { contentOf } from './content.ts';
import { decodeListing } from './listing.ts';
import { fingerprintOfTree } from './live-tree.ts';
import { loadTree } from './load.ts';
import { locate, locateTarget } from './place.ts';
import { insistOnTools } from './plan.ts';
import { treeAnswers } from './probe.ts';
import { excluder } from './selection.ts';
import type { FilesSpec } from './spec.ts';
import { journalSchema, notEmpty, Staging, TREE } from './staging.ts';
import { readHotFiles } from './warmth/hot-files.ts';
import { warmFiles } from './warmth/warm-files.ts';

/** Loads the tree beside the target; `release` swaps it in. */
export async function restoreFiles(
  spec: FilesSpec,
  host: Host,
  from: MemberCapture,
  blobs: BlobReader,
  options: RestoreOptions,
  context: Context,
): Promise<Held> {
  const access = accessTo(host);
  await insistOnTools(access);
  const content = contentOf(from);
  const target = await locateTarget(spec, access);
  const staging = new Staging(target, options.restoreId, access);
  const mayReplace = options.overwrite || (await staging.isRestored());
  if (target.state === 'filled' && !mayReplace) throw notEmpty(target.path);
  if (await access.isMountPoint(target.path)) throw mountPoint(target.path);
  const entries = await decodeListing(content.listing, blobs);
  await options.journal(staging.journalEntry());
  // What an earlier try with the same id left must not mix with this one.
  await staging.settle();
  const warm = async (): Promise<Warmth> =>
    warmFiles(Buffer.from(staging.tree), await readHotFiles(blobs, content), host, context.signal);
  const held = new LoadedTree(staging, mayReplace, access, context, warm);
  try {
    const tools = await findAttributeTools(host);
    await staging.make(tools);
    await loadTree(entries, staging.folder, TREE, blobs, access, tools, context);
  } catch (error) {
    await held[Symbol.asyncDispose]();
    throw error;
  }
  return held;
}

class LoadedTree implements Held {
  private readonly staging: Staging;
  private readonly overwrite: boolean;
  private readonly access: TreeAccess;
  private readonly context: Context;
  readonly warm: () => Promise<Warmth>;
  private swapped = false;

  constructor(
    staging: Staging,
    overwrite: boolean,
    access: TreeAccess,
    context: Context,
    warm: () => Promise<Warmth>,
  ) {
    this.warm = warm;
    this.staging = staging;
    this.overwrite = overwrite;
    this.access = access;
    this.context = context;
  }

  fingerprint(): Fingerprint {
    const { staging, access, context } = this;
    const root = Buffer.from(this.swapped ? staging.target.path : staging.tree);
    return (async function* () {
      const tools = await findAttributeTools(access.host);
      yield* fingerprintOfTree(root, excluder(), access, tools, context.signal);
    })();
  }

  get answers(): Answers {
    return treeAnswers(() => (this.swapped ? this.staging.target.path : this.staging.tree), this.access);
  }

  async release(): Promise<void> {
    if (this.swapped) return;
    await this.staging.swap(this.overwrite);
    this.swapped = true;
    // The restored tree is in place. What is left of the old one is swept by the next restore if it stays now.
    await this.staging.settle().catch((error: unknown) => {
      const reason = error instanceof Error ? error.message : String(error);
      this.context.logger.log('warn', 'what the restored files replaced could not be removed', { reason });
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.swapped) await this.staging.settle();
  }
}

export function mountPoint(path: string): StasisError {
  return new StasisError('files.mount-point', `${path} is a mount point, which cannot be swapped.`, {
    hint: 'Restore into a folder below it.',
    at: ['path'],
  });
}

/** Undoes what a restore that died has left; what had been there stands there again, or the restored tree does. */
export async function undoFiles(spec: FilesSpec, host: Host, entry: unknown): Promise<void> {
  const parsed = journalSchema.safeParse(entry);
  if (!parsed.success)
    throw new StasisError('files.malformed-journal', 'The journal of an earlier restore cannot be read.');
  const access = accessTo(host);
  const target = await locateTarget(spec, access).catch((error: unknown) => {
    // With the parent everything of ours has gone.
    if (error instanceof StasisError && error.code === 'files.no-parent') return undefined;
    throw error;
  });
  if (target === undefined) return;
  if (target.path !== parsed.data.target)
    throw new StasisError(
      'files.journal-mismatch',
      `The journal is about ${parsed.data.target}, and not about ${target.path}.`,
    );
  await new Staging(target, parsed.data.restoreId, access).settle();
}

/** The tree as it is now. */
export async function observeFiles(spec: FilesSpec, host: Host, context: Context): Promise<Held> {
  const access = accessTo(host);
  await insistOnTools(access);
  const path = await locate(spec, access);
  const tools = await findAttributeTools(host);
  return {
    fingerprint: () =>
      fingerprintOfTree(Buffer.from(path), excluder(spec.exclude), access, tools, context.signal),
    answers: treeAnswers(() => path, access),
    release: async () => {},
    [Symbol.asyncDispose]: async () => {},
  };
}
