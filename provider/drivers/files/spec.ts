import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { z } from 'zod';

const path = z
  .string()
  .min(1)
  .refine((value) => !value.includes('\0'), 'A path has no NUL character.')
  .describe(
    'The folder or file, absolute, or on this machine relative to the working directory. A symbolic link is followed to what it names.',
  )
  .meta({ role: 'endpoint' });

const exclude = z
  .array(
    z
      .string()
      .min(1)
      .refine(
        (pattern) => !pattern.startsWith('/') && !pattern.split('/').includes('..'),
        'A pattern is relative to the folder.',
      ),
  )
  .optional()
  .describe(
    'Glob patterns of what is left out, relative to the folder. A pattern without a slash fits a name at any depth; what lies below an excluded folder is left out with it.',
  )
  .meta({ role: 'selection' });

export const filesSpec = z.strictObject({ path, exclude });
export type FilesSpec = z.infer<typeof filesSpec>;

/** Where it is, as a URL. Pure: links are not followed. */
export function endpointOf(spec: FilesSpec): string {
  return pathToFileURL(resolve(spec.path)).href;
}
