import type { ServiceError } from '@grpc/grpc-js';
import type { Context } from '../../../core/context.ts';
import { type StasisError, toStasisError } from '../../../core/errors.ts';
import type {
  Catalog,
  ComponentDefinition,
  FunctionDefinition,
  ProviderDefinition,
  ResourceDefinition,
} from '../../../core/resource.ts';
import type { Calls } from '../../calls.ts';
import { type Redact, redacting } from '../../redaction.ts';
import type { Engine } from '../engine.ts';
import { callError } from '../errors.ts';
import { parseUrn, stackOwner, tokenOf } from '../naming.ts';
import { engineReporting, tellWarnings } from '../reporting.ts';
import { type Property, type PropertyMap, secretTexts } from '../values/property.ts';
import { Plans } from './plans.ts';

export interface ServedOptions {
  /** The provider for the snapshots of one owner. */
  readonly load: (owner: string) => Promise<ProviderDefinition>;
  /** The package schema, as JSON. */
  readonly schema: () => Promise<string>;
  readonly calls: Calls;
  readonly engine: Engine;
  /** Whether the engine's log wants all that we can tell. */
  readonly verbose: boolean;
}

/** A call that failed in a way that the engine is told by its own kind of error. */
export class CallFailure extends Error {
  readonly serviceError: Partial<ServiceError>;

  constructor(serviceError: Partial<ServiceError>) {
    super(serviceError.details);
    this.serviceError = serviceError;
  }
}

/** Look-ups have no owner: they only read. */
const NOBODY = 'pulumi';

/** What is served, by Pulumi's tokens. Every stack has the same resources; their snapshots belong to the stack. */
export class Served {
  readonly calls: Calls;
  readonly engine: Engine;
  readonly plans = new Plans();
  readonly schema: () => Promise<string>;
  private readonly load: (owner: string) => Promise<ProviderDefinition>;
  private readonly verbose: boolean;
  private readonly definitions = new Map<string, Promise<ProviderDefinition>>();
  private readonly catalogs = new Map<string, Promise<Catalog>>();
  private configuration: PropertyMap = {};
  private redactConfiguration: Redact = (text) => text;

  constructor({ load, schema, calls, engine, verbose }: ServedOptions) {
    this.load = load;
    this.schema = schema;
    this.calls = calls;
    this.engine = engine;
    this.verbose = verbose;
  }

  definition(owner = NOBODY): Promise<ProviderDefinition> {
    return kept(this.definitions, owner, () => this.load(owner));
  }

  /** @param configuration as it was sent: it is read with the first call that needs it */
  configure(configuration: PropertyMap): void {
    this.configuration = configuration;
    this.catalogs.clear();
  }

  async resource(urn: string): Promise<ResourceDefinition> {
    const parsed = parseUrn(urn);
    return named((await this.catalog(stackOwner(parsed))).resources, parsed.type);
  }

  async lookup(token: string): Promise<FunctionDefinition> {
    return named((await this.catalog(NOBODY)).functions, token);
  }

  async component(token: string): Promise<ComponentDefinition> {
    return named((await this.catalog(NOBODY)).components, token);
  }

  /** Takes out the secrets in these values, and those of the provider's own configuration. */
  redactor(...values: readonly Property[]): Redact {
    const redact = redacting(values.flatMap((value) => secretTexts(value)));
    return (text) => this.redactConfiguration(redact(text));
  }

  /** Runs work of a definition. @throws CallFailure for whatever it throws */
  async run<T>(urn: string | undefined, redact: Redact, work: (context: Context) => Promise<T>): Promise<T> {
    const reporting = engineReporting(this.engine, this.verbose, urn, redact);
    try {
      const { result, warnings } = await this.calls.run(reporting, work);
      tellWarnings(this.engine, urn, warnings, redact);
      return result;
    } catch (thrown) {
      if (thrown instanceof CallFailure) throw thrown;
      const error = toStasisError(thrown);
      reporting.logger.log('debug', 'the call failed', {
        code: error.code,
        details: error.details,
        stack: thrown instanceof Error ? thrown.stack : undefined,
      });
      throw new CallFailure(callError([error], redact));
    }
  }

  /** Tells warnings, and ends the call when there is an error among the problems. */
  settle(urn: string | undefined, problems: readonly StasisError[], redact: Redact): void {
    const isWarning = ({ severity }: StasisError): boolean => severity === 'warning';
    tellWarnings(this.engine, urn, problems.filter(isWarning), redact);
    const errors = problems.filter((problem) => !isWarning(problem));
    if (errors.length > 0) throw new CallFailure(callError(errors, redact));
  }

  private catalog(owner: string): Promise<Catalog> {
    return kept(this.catalogs, owner, async () => {
      const definition = await this.definition(owner);
      const { readConfiguration } = await import('./configuration.ts');
      const { values, properties } = readConfiguration(definition, this.configuration);
      this.redactConfiguration = redacting(secretTexts(properties));
      return definition.catalog(values);
    });
  }
}

function kept<T>(all: Map<string, Promise<T>>, key: string, make: () => Promise<T>): Promise<T> {
  const known = all.get(key);
  if (known !== undefined) return known;
  const made = make();
  all.set(key, made);
  return made;
}

function named<T extends { readonly name: string }>(all: readonly T[], token: string): T {
  const one = all.find(({ name }) => tokenOf(name) === token);
  // The engine asks only for what the schema lists.
  if (one === undefined) throw new RangeError(`there is no ${token}`);
  return one;
}
