import { hash } from 'node:crypto';
import { join } from 'node:path';
import { z } from 'zod';
import { StasisError } from '../../core/errors.ts';
import type { Standing, TreeAccess } from './access.ts';
import { type AttributeTools, readAttributes } from './attributes.ts';
import { placeError, type Target } from './place.ts';
import { forgetOthers, remember, restoredBy, sidecarPath } from './sidecar.ts';
import { isCode } from './system-calls.ts';

/** What `undo` needs to know of a restore that died. */
export const journalSchema = z.strictObject({
  formatVersion: z.literal(1),
  restoreId: z.string(),
  target: z.string(),
});
export type JournalEntry = z.infer<typeof journalSchema>;

/** Removing a large tree takes its time, and must come to an end also when all else was cancelled. */
const REMOVE_MS = 600_000;
const SYNC_MS = 600_000;

/**
 * The folder beside the target in which a tree is loaded, on the same file system, closed to all others. It holds
 * `tree`, the one being loaded, and for a moment `old`, what stood in the target's place. Its name follows from the
 * target and the restore's id, so that whoever comes after a death finds it.
 */
export class Staging {
  readonly target: Target;
  readonly folder: string;
  readonly tree: string;
  private readonly old: string;
  private readonly sidecar: string;
  private readonly restoreId: string;
  private readonly access: TreeAccess;

  constructor(target: Target, restoreId: string, access: TreeAccess) {
    const base = shortened(target.base);
    this.target = target;
    this.folder = join(target.parent, `.${base}.stasis-${hash('sha256', restoreId, 'hex').slice(0, 16)}`);
    this.tree = join(this.folder, TREE);
    this.old = join(this.folder, 'old');
    this.sidecar = sidecarPath(target.parent, base);
    this.restoreId = restoreId;
    this.access = access;
  }

  journalEntry(): JournalEntry {
    return { formatVersion: 1, restoreId: this.restoreId, target: this.target.path };
  }

  async isRestored(): Promise<boolean> {
    return (await restoredBy(this.sidecar, this.target.path, this.access)) === this.restoreId;
  }

  async make(tools: AttributeTools | undefined): Promise<void> {
    try {
      await this.access.makeFolder(this.folder);
    } catch (error) {
      throw placeError(this.folder, error);
    }
    if (tools) await this.dropDefaultAcl(tools);
  }

  /** A default ACL of the parent would be handed down to all that is loaded. */
  private async dropDefaultAcl(tools: AttributeTools): Promise<void> {
    const signal = AbortSignal.timeout(REMOVE_MS);
    const [[, attributes] = []] = await readAttributes(
      [Buffer.from(this.folder)],
      this.access.host,
      tools,
      signal,
    );
    if (!attributes?.some(({ name }) => name === DEFAULT_ACL)) return;
    await this.command([tools.setfattr, '-x', DEFAULT_ACL, this.folder]);
  }

  /**
   * Puts the loaded tree into the target's place: by one rename where that is empty, else by two. Durable on return.
   * @throws StasisError `files.not-empty` when it filled up meanwhile
   */
  async swap(overwrite: boolean): Promise<void> {
    await this.command(['sync', '-f', this.folder], SYNC_MS);
    await remember(this.sidecar, this.restoreId, this.tree, this.access);
    const before = await this.access.standing(this.target.path);
    const loaded = await this.loaded();
    const treeIsFolder = loaded.kind === 'directory';
    if (before?.kind === 'directory' && (!treeIsFolder || overwrite)) await this.clear(overwrite);
    else if (before && before.kind !== 'directory') {
      if (!overwrite) throw notEmpty(this.target.path);
      if (treeIsFolder) await this.access.rename(this.target.path, this.old);
    }
    await this.moveIn(loaded);
    await this.access.syncFolder(this.target.parent);
  }

  private async loaded(): Promise<Standing> {
    const loaded = await this.access.standing(this.tree);
    if (loaded) return loaded;
    throw new StasisError('files.load-failed', `The files loaded into ${this.folder} are gone.`, {
      at: ['path'],
    });
  }

  private async exists(path: string): Promise<boolean> {
    try {
      return (await this.access.standing(path)) !== undefined;
    } catch (error) {
      throw placeError(path, error);
    }
  }

  /** Makes room: an empty folder goes away, a filled one aside. */
  private async clear(overwrite: boolean): Promise<void> {
    try {
      await this.access.removeEmptyFolder(this.target.path);
    } catch (error) {
      if (!isCode(error, 'ENOTEMPTY', 'EEXIST')) throw placeError(this.target.path, error);
      if (!overwrite) throw notEmpty(this.target.path);
      await this.access.rename(this.target.path, this.old);
    }
  }

  private async moveIn({ kind, mode }: Standing): Promise<void> {
    // A folder that is moved to another parent has to be writable itself, except by root (rename(2), EACCES).
    const closed = kind === 'directory' && (mode & 0o200) === 0;
    if (closed) await this.access.chmod(Buffer.from(this.tree), 0o700);
    try {
      await this.access.rename(this.tree, this.target.path);
    } catch (error) {
      if (isCode(error, 'ENOTEMPTY', 'EEXIST')) throw notEmpty(this.target.path);
      throw placeError(this.target.path, error);
    }
    if (closed) await this.access.chmod(Buffer.from(this.target.path), mode);
  }

  /**
   * Leaves nothing of ours, from whatever point: what had stood in the target's place stands there again, unless the
   * loaded tree has taken it. Idempotent.
   */
  async settle(): Promise<void> {
    const oldIsThere = await this.exists(this.old);
    const targetIsThere = await this.exists(this.target.path);
    if (oldIsThere && !targetIsThere) await this.access.rename(this.old, this.target.path);
    else if (oldIsThere && !(await this.isRestored()))
      throw new StasisError(
        'files.undo-conflict',
        `${this.target.path} was made anew while what had been there lay in ${this.old}.`,
        { hint: 'Keep the one you need, and remove the other.', at: ['path'] },
      );
    if (await this.exists(this.folder)) await this.remove();
    await forgetOthers(this.sidecar, this.target.path, this.access);
  }

  private async remove(): Promise<void> {
    const argv = ['rm', '-rf', '--one-file-system', '--', this.folder];
    // Folders that their owner must not enter are opened first; root enters them anyway.
    await this.command(argv).catch(async () => {
      await this.command(['chmod', '-R', 'u+rwx', '--', this.folder]).catch(() => {});
      await this.command(argv);
    });
  }

  private async command(argv: readonly string[], timeoutMs = REMOVE_MS): Promise<void> {
    const { status, stderr } = await this.access.host.run(argv, {
      timeoutMs,
      signal: new AbortController().signal,
    });
    if (status === 0) return;
    throw new StasisError('files.failed', `${argv[0]} failed: ${stderr.split('\n')[0]}.`, { at: ['path'] });
  }
}

/** The loaded tree's name in the staging folder. */
export const TREE = 'tree';
const DEFAULT_ACL = 'system.posix_acl_default';

/** The id of the restore that filled a target. */
export async function restorerOf(target: Target, access: TreeAccess): Promise<string | undefined> {
  return restoredBy(sidecarPath(target.parent, shortened(target.base)), target.path, access);
}

/** A name has at most 255 bytes (NAME_MAX), and ours are longer than the target's. */
function shortened(base: string): string {
  if (Buffer.byteLength(base) <= 200) return base;
  return `${base.slice(0, 40)}-${hash('sha256', base, 'hex').slice(0, 16)}`;
}

export function notEmpty(path: string): StasisError {
  return new StasisError('files.not-empty', `${path} is not empty.`, {
    hint: 'Give an empty or absent target, or set overwrite to replace what is there.',
    at: ['path'],
  });
}
