import { z } from 'zod';
import { portsField } from './ports.ts';

const absolute = (value: string): boolean => value.startsWith('/') && !value.includes('\0');
const absolutePath = z.string().refine(absolute, 'An absolute path is needed.');

const fields = z.strictObject({
  pid: z
    .int()
    .positive()
    .optional()
    .describe('The process at the root of the tree, by its number. A restore cannot be addressed by it.')
    .meta({ role: 'endpoint' }),
  pidFile: absolutePath
    .optional()
    .describe(
      'A file that holds the number of the process at the root of the tree. A restore writes the number of the restored process into it.',
    )
    .meta({ role: 'endpoint' }),
  cgroup: absolutePath
    .optional()
    .describe('A control group (version 2) that holds exactly the tree, as /proc/PID/cgroup names it.')
    .meta({ role: 'endpoint' }),
  unit: z
    .string()
    .regex(/^[\w@.:\\-]+$/, 'This is no name of a systemd unit.')
    .optional()
    .describe('A systemd unit whose processes are the tree: web.service.')
    .meta({ role: 'endpoint' }),
  files: z
    .array(absolutePath)
    .optional()
    .describe(
      'Folders that belong to the processes, captured at the same instant: by a snapshot where the file system can, else copied while the processes are frozen.',
    )
    .meta({ role: 'selection' }),
  root: absolutePath
    .optional()
    .describe(
      'Of a restore: the folder that keeps the restored folders of `files`. /var/lib/stasis if not set.',
    )
    .meta({ role: 'access' }),
  ports: portsField,
});

const WAYS = ['pid', 'pidFile', 'cgroup', 'unit'] as const;

export const processSpec = fields.refine(
  (spec) => WAYS.filter((way) => spec[way] !== undefined).length === 1,
  {
    message: 'Exactly one of pid, pidFile, cgroup and unit names the tree.',
    params: {
      code: 'process.which-tree',
      hint: 'A pid file or a unit stays right when the service is started anew.',
    },
  },
);
export type ProcessSpec = z.infer<typeof processSpec>;

export const DEFAULT_ROOT = '/var/lib/stasis';

export function endpointOf(spec: ProcessSpec): string {
  const way = WAYS.find((one) => spec[one] !== undefined) ?? 'pid';
  const value = String(spec[way]);
  return `process://${way.toLowerCase()}/${value.replace(/^\//, '')}`;
}
