import { isDeepStrictEqual } from 'node:util';
import type { ResourceState, Unknown, Values } from '../../../core/resource.ts';
import type { BlockType } from '../schema/schema.ts';
import { overlay, toRaw, toValues } from './convert.ts';
import type { RawObject } from './dynamic-value.ts';

/** Terraform keeps a resource as one object: its id, its inputs without secrets, its outputs. */
export function stateOf(type: BlockType, object: RawObject): ResourceState {
  return {
    id: String(object.id ?? ''),
    stored: toValues(type.inputs, object),
    outputs: toValues(type.outputs, object),
  };
}

/** What is planned, or was applied: inputs exactly as configured, for Terraform accepts no other. */
export function configuredState(
  type: BlockType,
  config: RawObject,
  state: { readonly id: string | Unknown; readonly stored: Values; readonly outputs: Values },
): RawObject {
  return {
    id: state.id,
    ...overlay(type.inputs, config, toRaw(type.inputs, state.stored)),
    ...toRaw(type.outputs, state.outputs),
  };
}

/** What an import found: there is no configuration to go by, and most inputs are not known. */
export function importedState(type: BlockType, state: ResourceState): RawObject {
  return { id: state.id, ...toRaw(type.inputs, state.stored), ...toRaw(type.outputs, state.outputs) };
}

/**
 * What a refresh found. An attribute whose value is as it was stays as it was written: Terraform's numbers are more
 * exact than ours, and must not seem to have changed.
 */
export function refreshedState(type: BlockType, current: RawObject, found: ResourceState): RawObject {
  const before = stateOf(type, current);
  const fresh = importedState(type, found);
  const kept = [
    ...type.inputs.filter(({ name }) => isDeepStrictEqual(before.stored[name], found.stored[name])),
    ...type.outputs.filter(({ name }) => isDeepStrictEqual(before.outputs[name], found.outputs[name])),
  ];
  return { ...fresh, ...Object.fromEntries(kept.map(({ key }) => [key, current[key] ?? null])) };
}
