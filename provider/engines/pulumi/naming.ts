/** Our name among Pulumi's packages: of the plugin, and the first part of every token. */
export const PACKAGE_NAME = 'stasis';

/** `stasis:index:Snapshot` */
export function tokenOf(name: string): string {
  return `${PACKAGE_NAME}:index:${name}`;
}

/** What a URN says: `urn:pulumi:STACK::PROJECT::PARENT-TYPES$TYPE::NAME`. A name may hold anything, `::` too. */
export interface Urn {
  readonly stack: string;
  readonly project: string;
  /** Of the resource itself, without its parents'. */
  readonly type: string;
  readonly name: string;
}

const URN_PREFIX = 'urn:pulumi:';

/** @throws RangeError for what is no URN: the engine sends none. */
export function parseUrn(text: string): Urn {
  const [stack, project, types, ...name] = text.slice(URN_PREFIX.length).split('::');
  if (!text.startsWith(URN_PREFIX) || stack === undefined || project === undefined || types === undefined)
    throw new RangeError(`"${text}" is no URN`);
  return { stack, project, type: types.slice(types.lastIndexOf('$') + 1), name: name.join('::') };
}

/**
 * Who the snapshots of a stack belong to where no state says otherwise: the same when a state was lost, so that the
 * stack finds its own again.
 */
export function stackOwner({ project, stack }: Urn): string {
  return `pulumi:${project}:${stack}`;
}
