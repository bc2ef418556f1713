import { problemsOf } from '../../../core/schema.ts';
import { diagnosticsOf } from '../diagnostics.ts';
import { conform, toRaw, toValues } from '../values/convert.ts';
import { decodeDynamicValue, encodeDynamicValue, type RawObject } from '../values/dynamic-value.ts';
import type { ProviderHandlers } from '../wire/messages.ts';
import { attempt, type Served } from './served.ts';

type Handlers = Pick<ProviderHandlers, 'ValidateDataResourceConfig' | 'ReadDataSource'>;

/** Look-ups: what was asked, with what was found. */
export function dataSourceHandlers(served: Served): Handlers {
  return {
    ValidateDataResourceConfig: async ({ typeName, config }) => {
      const { definition, type } = await served.lookup(typeName);
      const raw = (decodeDynamicValue(config) ?? {}) as RawObject;
      const problems = problemsOf(definition.inputs, toValues(type.inputs, raw));
      return { diagnostics: diagnosticsOf(problems, served.scope(type.inputs, raw)) };
    },
    ReadDataSource: async ({ typeName, config }) => {
      const { definition, type } = await served.lookup(typeName);
      const raw = (decodeDynamicValue(config) ?? {}) as RawObject;
      const { done, diagnostics } = await attempt(served, served.scope(type.inputs, raw), (context) =>
        definition.call(toValues(type.inputs, raw), context),
      );
      if (done === undefined) return { diagnostics };
      const state = { ...conform(type.inputs, raw), ...toRaw(type.outputs, done.result) };
      return { state: encodeDynamicValue(state), diagnostics };
    },
  };
}
