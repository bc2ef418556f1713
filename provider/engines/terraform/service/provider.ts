import { StasisError, toStasisError } from '../../../core/errors.ts';
import type { ProviderDefinition } from '../../../core/resource.ts';
import type { Calls, Reporting } from '../../calls.ts';
import type { Redact } from '../../redaction.ts';
import { diagnosticsOf, scopeOf } from '../diagnostics.ts';
import type { ProviderHandlers } from '../wire/messages.ts';
import { configurationHandlers } from './configuration.ts';
import { dataSourceHandlers } from './data-source.ts';
import { resourceHandlers } from './resource.ts';
import { Served } from './served.ts';

/** Serves a provider that is loaded with the first call that needs it. */
export function serve(
  load: () => Promise<ProviderDefinition>,
  calls: Calls,
  reporting: (redact: Redact) => Reporting,
): ProviderHandlers {
  return providerHandlers(new Served(load, calls, reporting));
}

/** All calls of `tfplugin6.Provider`. None rejects: what fails is told as a diagnostic, which the user can read. */
function providerHandlers(served: Served): ProviderHandlers {
  const handlers: ProviderHandlers = {
    ...configurationHandlers(served),
    ...resourceHandlers(served),
    ...dataSourceHandlers(served),
    // Ctrl-C. The calls end with an error, and the engine waits for them.
    StopProvider: async () => {
      served.calls.abort(
        new StasisError('cancelled', 'The run was interrupted.', {
          hint: 'What was paused goes on, and nothing was captured or restored. Apply again when it suits you.',
        }),
      );
      return {};
    },
  };
  return Object.fromEntries(
    Object.entries(handlers).map(([method, handler]) => [method, guard(handler as Handler)]),
  ) as unknown as ProviderHandlers;
}

type Handler = (request: object) => Promise<object>;

function guard(handler: Handler): Handler {
  return (request) =>
    handler(request).catch((thrown: unknown) => ({
      diagnostics: diagnosticsOf([toStasisError(thrown)], scopeOf([], {})),
    }));
}
