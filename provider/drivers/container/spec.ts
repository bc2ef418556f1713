import { z } from 'zod';

const absolute = (value: string): boolean => value.startsWith('/') && !value.includes('\0');
const absolutePath = z.string().refine(absolute, 'An absolute path is needed.');
/** What podman takes as a name. */
const podmanName = z.string().regex(/^[a-zA-Z0-9][\w.-]*$/, 'This is no name of a container or a pod.');

const fields = z.strictObject({
  name: podmanName
    .optional()
    .describe('A container of podman, by its name. A restore makes a container of this name.')
    .meta({ role: 'endpoint' }),
  pod: podmanName
    .optional()
    .describe('A pod of podman, by its name: all containers in it. A restore makes a pod of this name.')
    .meta({ role: 'endpoint' }),
  files: z
    .array(absolutePath)
    .optional()
    .describe(
      'Folders of the host that are mounted into the containers (bind mounts) and belong into the snapshot. Volumes are captured without being named.',
    )
    .meta({ role: 'selection' }),
});

export const containerSpec = fields.refine(({ name, pod }) => (name === undefined) !== (pod === undefined), {
  message: 'Exactly one of name and pod says what is captured.',
  params: {
    code: 'container.which',
    hint: 'Each container that is in no pod is a member of its own.',
  },
});
export type ContainerSpec = z.infer<typeof containerSpec>;

export function endpointOf({ name, pod }: ContainerSpec): string {
  return pod === undefined ? `container://name/${name}` : `container://pod/${pod}`;
}

/** Under what a target is known to people and to its own record. */
export function nameOf({ name, pod }: ContainerSpec): string {
  return (pod ?? name)!;
}
