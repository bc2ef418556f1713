import { realpath } from 'node:fs/promises';
import { basename, dirname, isAbsolute, join, resolve } from 'node:path';
import { z } from 'zod';
import type { StoreType } from '../../core/store.ts';
import { withDiskErrors } from './disk-error.ts';
import { isCode } from './durable.ts';
import { LayoutStore } from './store.ts';

const SPEC = z.object({
  path: z
    .string()
    .min(1)
    .describe(
      'Folder of the store, an OCI image layout that skopeo and oras can copy. It is made when it is missing.',
    )
    .meta({ role: 'endpoint' }),
});

export type LayoutSpec = z.infer<typeof SPEC>;

/** A folder as an OCI image layout: the default store. */
export const ociLayout: StoreType<LayoutSpec> = {
  name: 'oci-layout',
  summary: 'A folder on this machine, as an OCI image layout.',
  spec: SPEC,
  locate: ({ path }) => withDiskErrors(path, () => realPath(resolve(path))),
  at: (location) => (isAbsolute(location) ? { path: location } : undefined),
  async open(spec, context) {
    return new LayoutStore(await ociLayout.locate(spec), context);
  },
};

/** With symbolic links resolved as far as the path is there. */
async function realPath(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch (error) {
    if (!isCode(error, 'ENOENT', 'ENOTDIR') || path === dirname(path)) throw error;
    return join(await realPath(dirname(path)), basename(path));
  }
}
