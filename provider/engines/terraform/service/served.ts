import type { Context } from '../../../core/context.ts';
import { toStasisError } from '../../../core/errors.ts';
import type {
  Catalog,
  FunctionDefinition,
  ProviderDefinition,
  ResourceDefinition,
  Values,
} from '../../../core/resource.ts';
import type { Calls, Reporting } from '../../calls.ts';
import type { Redact } from '../../redaction.ts';
import { diagnosticsOf, type Scope, scopeOf } from '../diagnostics.ts';
import type { Attribute } from '../schema/attributes.ts';
import { type BlockType, dataSourceType, resourceType } from '../schema/schema.ts';
import type { RawObject } from '../values/dynamic-value.ts';
import type { Message } from '../wire/messages.ts';

export interface ServedResource {
  readonly definition: ResourceDefinition;
  readonly type: BlockType;
}

export interface ServedLookup {
  readonly definition: FunctionDefinition;
  readonly type: BlockType;
}

/**
 * What is served, by Terraform's names. Validation and schemas come before the provider is configured, and depend on
 * no configuration; plans, applies and reads work with the catalog of the newest one.
 */
export class Served {
  readonly calls: Calls;
  readonly reporting: (redact: Redact) => Reporting;
  private readonly load: () => Promise<ProviderDefinition>;
  private loaded: Promise<ProviderDefinition> | undefined;
  private configuration: Values = {};
  private redactConfiguration: Redact = (text) => text;
  private resources: Promise<ReadonlyMap<string, ServedResource>> | undefined;
  private lookups: Promise<ReadonlyMap<string, ServedLookup>> | undefined;

  constructor(
    load: () => Promise<ProviderDefinition>,
    calls: Calls,
    reporting: (redact: Redact) => Reporting,
  ) {
    this.load = load;
    this.calls = calls;
    this.reporting = reporting;
  }

  /** Loaded once, when it is first asked for. */
  definition(): Promise<ProviderDefinition> {
    this.loaded ??= this.load();
    return this.loaded;
  }

  configure(configuration: Values, redact: Redact): void {
    this.configuration = configuration;
    this.redactConfiguration = redact;
    this.resources = undefined;
    this.lookups = undefined;
  }

  /** What errors in this block are about; the secrets of the provider's own configuration stay hidden too. */
  scope(attributes: readonly Attribute[], config: RawObject): Scope {
    const scope = scopeOf(attributes, config);
    return { ...scope, redact: (text) => this.redactConfiguration(scope.redact(text)) };
  }

  async resource(typeName: string | undefined): Promise<ServedResource> {
    // Made once for a configuration, also where calls come at the same time: its resources know of one another.
    this.resources ??= this.catalog().then(({ resources }) =>
      byTypeName(resources.map((definition) => ({ definition, type: resourceType(definition) }))),
    );
    return found(await this.resources, typeName);
  }

  async lookup(typeName: string | undefined): Promise<ServedLookup> {
    this.lookups ??= this.catalog().then(({ functions }) =>
      byTypeName(functions.map((definition) => ({ definition, type: dataSourceType(definition) }))),
    );
    return found(await this.lookups, typeName);
  }

  private async catalog(): Promise<Catalog> {
    return (await this.definition()).catalog(this.configuration);
  }
}

function byTypeName<T extends { readonly type: { readonly typeName: string } }>(
  served: readonly T[],
): ReadonlyMap<string, T> {
  return new Map(served.map((one) => [one.type.typeName, one]));
}

function found<T>(served: ReadonlyMap<string, T>, typeName = ''): T {
  const one = served.get(typeName);
  // The engine asks only for what the schema lists.
  if (one === undefined) throw new RangeError(`there is no ${typeName}`);
  return one;
}

/** What came of work of a definition: what it returned, or, as diagnostics, why it did not. */
export interface Attempt<T> {
  readonly done?: { readonly result: T };
  readonly diagnostics: readonly Message<'Diagnostic'>[];
}

/** Runs work of a definition. What it throws becomes an error at its place; its warnings go with its result. */
export async function attempt<T>(
  { calls, reporting }: Served,
  scope: Scope,
  work: (context: Context) => Promise<T>,
): Promise<Attempt<T>> {
  try {
    const { result, warnings } = await calls.run(reporting(scope.redact), (context) =>
      work(context).catch(logAndThrow(context)),
    );
    return { done: { result }, diagnostics: diagnosticsOf(warnings, scope) };
  } catch (thrown) {
    return { diagnostics: diagnosticsOf([toStasisError(thrown)], scope) };
  }
}

/** The user sees one sentence; where it came from is for the log. */
function logAndThrow(context: Context): (thrown: unknown) => never {
  return (thrown) => {
    const { code, details } = toStasisError(thrown);
    const stack = thrown instanceof Error ? thrown.stack : undefined;
    context.logger.log('debug', 'the call failed', { code, details, stack });
    throw thrown;
  };
}
