import type { StasisError } from '../../../core/errors.ts';
import { hasUnknown, type ProviderDefinition, type Values } from '../../../core/resource.ts';
import { problemsOf } from '../../../core/schema.ts';
import { diagnosticsOf, hasErrors, scopeOf } from '../diagnostics.ts';
import { configurationAttributes, providerSchema } from '../schema/schema.ts';
import { toValues } from '../values/convert.ts';
import { decodeDynamicValue, type RawObject } from '../values/dynamic-value.ts';
import type { Message, ProviderHandlers } from '../wire/messages.ts';
import type { Served } from './served.ts';

type Handlers = Pick<ProviderHandlers, 'GetProviderSchema' | 'ValidateProviderConfig' | 'ConfigureProvider'>;

/** The schema, and the provider's own configuration. */
export function configurationHandlers(served: Served): Handlers {
  return {
    GetProviderSchema: async () => providerSchema(await served.definition()),
    ValidateProviderConfig: async ({ config }) => {
      const { diagnostics } = await read(served, config);
      return { diagnostics };
    },
    ConfigureProvider: async ({ config }) => {
      const { values, problems, redact, diagnostics } = await read(served, config);
      if (!hasErrors(problems)) served.configure(values, redact);
      return { diagnostics };
    },
  };
}

async function read(served: Served, config: Message<'DynamicValue'> | undefined) {
  const definition = await served.definition();
  const attributes = configurationAttributes(definition);
  const raw = (decodeDynamicValue(config) ?? {}) as RawObject;
  const values = toValues(attributes, raw);
  const problems = problemsIn(definition, values);
  const scope = scopeOf(attributes, raw);
  return { values, problems, redact: scope.redact, diagnostics: diagnosticsOf(problems, scope) };
}

function problemsIn(definition: ProviderDefinition, values: Values): readonly StasisError[] {
  const problems = problemsOf(definition.configuration, values);
  return hasErrors(problems) || hasUnknown(values) ? problems : definition.check(values);
}
