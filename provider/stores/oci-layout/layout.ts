import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Digest } from '../../core/digest.ts';
import { INDEX_TYPE } from '../oci/manifest.ts';
import { createDurably, isCode, syncFolder } from './durable.ts';

/** The layout's version file; fixed by the OCI image-layout specification. */
export const OCI_LAYOUT = '{"imageLayoutVersion":"1.0.0"}';
const EMPTY_INDEX = JSON.stringify({ schemaVersion: 2, mediaType: INDEX_TYPE, manifests: [] });

/** Where everything lies in the folder. What is ours alone is under `stasis/`, which other tools leave alone. */
export class Layout {
  readonly root: string;

  constructor(root: string) {
    this.root = root;
  }

  get versionFile(): string {
    return join(this.root, 'oci-layout');
  }

  get indexFile(): string {
    return join(this.root, 'index.json');
  }

  get blobs(): string {
    return join(this.root, 'blobs', 'sha256');
  }

  blob(digest: Digest): string {
    return join(this.blobs, digest.slice('sha256:'.length));
  }

  /** Locks of all kinds: a folder each. */
  get locks(): string {
    return join(this.root, 'stasis', 'locks');
  }

  /** Drafts: a folder each, named by the token of the lock that its writer holds. */
  get drafts(): string {
    return join(this.root, 'stasis', 'drafts');
  }

  get names(): string {
    return join(this.root, 'stasis', 'names');
  }

  get records(): string {
    return join(this.root, 'stasis', 'records');
  }

  /** Files that are about to be renamed. */
  get temporary(): string {
    return join(this.root, 'stasis', 'tmp');
  }

  /** Makes an empty layout where there is none. Others may do the same at the same time. */
  async create(): Promise<void> {
    const own = [this.blobs, this.locks, this.drafts, this.names, this.records, this.temporary];
    let made = false;
    for (const folder of own) made = (await makeFolder(folder)) || made;
    await createDurably(this.versionFile, OCI_LAYOUT, this.temporary);
    await createDurably(this.indexFile, EMPTY_INDEX, this.temporary);
    if (!made) return;
    const parents = [join(this.root, 'stasis'), join(this.root, 'blobs'), this.root, dirname(this.root)];
    for (const folder of parents) await syncFolder(folder);
  }
}

/** With all above it; returns whether anything was made. Node's own recursion says ENOENT where a disk is read-only. */
async function makeFolder(folder: string): Promise<boolean> {
  try {
    await mkdir(folder);
    return true;
  } catch (error) {
    if (isCode(error, 'EEXIST')) return false;
    if (!isCode(error, 'ENOENT')) throw error;
  }
  await makeFolder(dirname(folder));
  await makeFolder(folder);
  return true;
}

/** A file name for any text: readable where it is short, and never the name of another text. */
export function fileNameOf(text: string): string {
  return encodeURIComponent(text).replace(/[*.!'()~]/g, (sign) => `%${sign.charCodeAt(0).toString(16)}`);
}
