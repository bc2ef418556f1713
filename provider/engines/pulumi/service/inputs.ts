import { StasisError } from '../../../core/errors.ts';
import type { ResourceDefinition, Values } from '../../../core/resource.ts';
import { metaOf } from '../../../core/schema.ts';
import provider from '../stubs.ts';
import type { PropertyMap } from '../values/property.ts';
import { reveal } from '../values/property.ts';
import { placesWhere } from '../values/secrets.ts';

export type Autonaming = ReturnType<InstanceType<typeof provider.CheckRequest>['getAutonaming']>;

/**
 * The inputs with the name filled in where the user gives none: as it was, else as the stack's settings propose, else
 * the resource's own in the program. It stays when the resource is renamed in the program.
 */
export function withLogicalName(
  { inputs: { shape } }: ResourceDefinition,
  news: PropertyMap,
  olds: PropertyMap,
  logicalName: string,
  autonaming: Autonaming,
): PropertyMap {
  const key = Object.keys(shape).find((name) => metaOf(shape[name]).logicalName === true);
  if (key === undefined || (reveal(news[key]) ?? null) !== null) return news;
  const kept = reveal(olds[key]) ?? null;
  if (kept !== null) return { ...news, [key]: kept };
  const { DISABLE } = provider.CheckRequest.AutonamingOptions.Mode;
  if (autonaming?.getMode() === DISABLE) return news;
  return { ...news, [key]: autonaming?.getProposedName() || logicalName };
}

/** What is computed would be lost: it is refused. */
export function computedProblems(definition: ResourceDefinition, values: Values): readonly StasisError[] {
  return placesWhere(definition.inputs, values, ({ computed }) => computed === true).map(
    (at) =>
      new StasisError('input.computed', `"${at.at(-1)}" is computed, and cannot be set.`, {
        hint: 'Leave it out.',
        at,
      }),
  );
}
