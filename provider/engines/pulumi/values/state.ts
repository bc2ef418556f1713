import type { z } from 'zod';
import type { ResourceDefinition, ResourceState, Unknown, Values } from '../../../core/resource.ts';
import { fromValues, type PropertyMap, toValues } from './property.ts';
import { storedProperties } from './secrets.ts';

/** Pulumi keeps the outputs of a resource as one object: what is stored of its inputs, and its outputs proper. */
export function stateOf(definition: ResourceDefinition, id: string, properties: PropertyMap): ResourceState {
  const values = toValues(properties);
  return { id, stored: pick(definition.inputs, values), outputs: pick(definition.outputs, values) };
}

function pick({ shape }: z.ZodObject, values: Values): Values {
  return Object.fromEntries(Object.entries(values).filter(([key]) => Object.hasOwn(shape, key)));
}

/** @param inputs as the engine sent them: what the user wrapped as a secret stays one */
export function propertiesOf(
  definition: ResourceDefinition,
  state: { readonly id: string | Unknown; readonly stored: Values; readonly outputs: Values },
  inputs: PropertyMap,
): PropertyMap {
  return {
    ...storedProperties(definition.inputs, state.stored, inputs),
    ...fromValues(state.outputs),
  };
}
