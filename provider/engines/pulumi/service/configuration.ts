import { StasisError } from '../../../core/errors.ts';
import type { ProviderDefinition, Values } from '../../../core/resource.ts';
import { problemsOf, unwrap } from '../../../core/schema.ts';
import { checkFailures } from '../errors.ts';
import provider from '../stubs.ts';
import { differences } from '../values/difference.ts';
import { decodeProperties, type PropertyMap, reveal, Secret, toValues } from '../values/property.ts';
import { withSecrets } from '../values/secrets.ts';
import { diffResponse, nothingDiffers } from './diff.ts';
import type { Served } from './served.ts';

type Request<N extends 'CheckRequest' | 'DiffRequest'> = InstanceType<(typeof provider)[N]>;

/** The provider's own configuration, before it is configured. */
export function configurationHandlers(served: Served) {
  return {
    checkConfig: async (request: Request<'CheckRequest'>) => {
      const definition = await served.definition();
      const { values, problems, properties } = readConfiguration(
        definition,
        decodeProperties(request.getNews()),
      );
      const all = problems.length > 0 ? problems : definition.check(values);
      return new provider.CheckResponse()
        .setInputs(request.getNews())
        .setFailuresList(checkFailures(all, served.redactor(properties)));
    },
    // Another store asks for another resource only where a resource takes it from here: its own diff tells.
    diffConfig: async (request: Request<'DiffRequest'>) => {
      const found = differences(
        decodeProperties(request.getOldInputs()),
        decodeProperties(request.getNews()),
      );
      return found.length === 0 ? nothingDiffers() : diffResponse(found, []);
    },
  };
}

/** What the engine adds to every provider's configuration. */
const ENGINES_OWN = ['version', 'pluginDownloadURL', 'pluginChecksums', '__internal'];

interface ReadConfiguration {
  readonly values: Values;
  readonly problems: readonly StasisError[];
  readonly properties: PropertyMap;
}

/** The SDKs write everything that is no text as JSON text, and so does `pulumi config set`. */
export function readConfiguration(
  { configuration }: ProviderDefinition,
  sent: PropertyMap,
): ReadConfiguration {
  const problems: StasisError[] = [];
  const own = Object.entries(sent).filter(([key]) => !ENGINES_OWN.includes(key));
  const parsed = own.map(([key, property]) => {
    const text = reveal(property);
    const field = configuration.shape[key];
    if (field === undefined || typeof text !== 'string' || expectsText(field)) return [key, property];
    try {
      const value = JSON.parse(text);
      return [key, property instanceof Secret ? new Secret(value) : value];
    } catch {
      const at = [key];
      problems.push(new StasisError('input.invalid', `This is no JSON.`, { at }));
      return [key, property];
    }
  });
  const properties = withSecrets(configuration, Object.fromEntries(parsed));
  return { values: toValues(properties), problems, properties };
}

function expectsText(field: Parameters<typeof unwrap>[0]): boolean {
  return problemsOf(unwrap(field), 'text').length === 0;
}
