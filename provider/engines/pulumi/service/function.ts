import { problemsOf } from '../../../core/schema.ts';
import { checkFailures } from '../errors.ts';
import provider from '../stubs.ts';
import { decodeProperties, encodeProperties, fromValues, toValues } from '../values/property.ts';
import { withSecrets } from '../values/secrets.ts';
import type { Served } from './served.ts';

/** Look-ups: what was asked, with what was found. */
export function functionHandlers(served: Served) {
  return {
    invoke: async (request: InstanceType<typeof provider.InvokeRequest>) => {
      const definition = await served.lookup(request.getTok());
      const inputs = withSecrets(definition.inputs, decodeProperties(request.getArgs()));
      const redact = served.redactor(inputs);
      const values = toValues(inputs);
      const problems = problemsOf(definition.inputs, values);
      if (problems.length > 0)
        return new provider.InvokeResponse().setFailuresList(checkFailures(problems, redact));
      const outputs = await served.run(undefined, redact, (context) => definition.call(values, context));
      return new provider.InvokeResponse().setReturn(encodeProperties(fromValues(outputs)));
    },
  };
}
