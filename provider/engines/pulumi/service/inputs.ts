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
  definition: ResourceDefinition,
  news: PropertyMap,
  olds: PropertyMap,
  logicalName: string,
  autonaming: Autonaming,
): PropertyMap {
  const key = nameField(definition);
  if (key === undefined || (reveal(news[key]) ?? null) !== null) return news;
  const kept = reveal(olds[key]) ?? null;
  if (kept !== null) return { ...news, [key]: kept };
  const { DISABLE } = provider.CheckRequest.AutonamingOptions.Mode;
  if (autonaming?.getMode() === DISABLE) return news;
  return { ...news, [key]: autonaming?.getProposedName() || logicalName };
}

/**
 * The same problems; one with a name that the user did not write says where the name came from, as the engine shows
 * nothing in its place.
 */
export function explainName(
  definition: ResourceDefinition,
  problems: readonly StasisError[],
  written: PropertyMap,
  named: PropertyMap,
): StasisError[] {
  const key = nameField(definition);
  if (key === undefined || (reveal(written[key]) ?? null) !== null) return [...problems];
  const given = reveal(named[key]);
  const why =
    given === undefined
      ? `The stack's settings (pulumi:autonaming) name nothing by itself: set ${key}.`
      : `It is called "${String(given)}", after its name in the program or the stack's settings (pulumi:autonaming): set ${key}.`;
  return problems.map((problem) => {
    const { code, message, hint, at, severity, details, cause } = problem;
    if (at[0] !== key) return problem;
    const all = [hint, why].filter((part) => part !== undefined).join(' ');
    return new StasisError(code, message, { hint: all, at, severity, details, cause });
  });
}

/** The input that a name of the program's stands in for. */
function nameField({ inputs: { shape } }: ResourceDefinition): string | undefined {
  return Object.keys(shape).find((name) => metaOf(shape[name]).logicalName === true);
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
