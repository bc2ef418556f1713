import { resolve } from 'node:path';
import type { Context, LogLevel } from '../../core/context.ts';
import { StasisError, toStasisError } from '../../core/errors.ts';
import type {
  Catalog,
  PlannedChange,
  ProviderDefinition,
  ResourceDefinition,
  Values,
} from '../../core/resource.ts';
import type { GenerationEntry, Store, StoreType } from '../../core/store.ts';
import { resolveReference } from '../../resources/lookup.ts';
import type { Defaults, Services } from '../../resources/services.ts';
import { openStore } from '../../resources/stores.ts';
import type { InputDocument } from './document/document.ts';
import { computedProblems, secretsIn } from './document/fields.ts';
import { type DocumentSource, placed, readDocument } from './document/placing.ts';
import { Refusal } from './exit.ts';
import type { Output } from './output.ts';

/** Where snapshots live when neither the command line, the environment nor the file says. */
const DEFAULT_STORE = './snapshots';

export interface GlobalOptions {
  readonly store?: string;
  readonly json?: boolean;
  readonly color: boolean;
  readonly logLevel: LogLevel;
}

/** One run of one command: what it was asked, what it works with, and what it says. */
export interface Invocation {
  readonly options: GlobalOptions;
  readonly services: Services;
  readonly provider: ProviderDefinition;
  readonly context: Context;
  readonly output: Output;
  readonly source: DocumentSource;
  /** Texts that no message may show, from now on. */
  readonly hide: (secrets: readonly string[]) => void;
}

/** What the provider's configuration says in other engines: here, only where snapshots live. */
export function defaultsOf(invocation: Invocation): Defaults & Values {
  const { options, source, services } = invocation;
  const text = options.store ?? source.env.STASIS_STORE ?? DEFAULT_STORE;
  return { store: storeSpecAt(services.storeTypes, text, source.cwd) };
}

/** A store as it is written on the command line: a location, or the path of a folder. */
function storeSpecAt(types: readonly StoreType[], text: string, cwd: string): Defaults['store'] {
  for (const location of [text, resolve(cwd, text)])
    for (const type of types) {
      const spec = type.at(location);
      if (spec !== undefined) return spec as Defaults['store'];
    }
  throw new StasisError(
    'store.unknown-location',
    `"${text}" is no place of a store that this version knows.`,
    {
      hint: 'Name a folder with --store.',
    },
  );
}

/** @param configuration what a user's file says besides inputs */
export function catalogOf(invocation: Invocation, configuration: Values = {}): Catalog {
  return invocation.provider.catalog({ ...defaultsOf(invocation), ...configuration });
}

export function resourceOf(
  invocation: Invocation,
  name: string,
  configuration: Values = {},
): ResourceDefinition {
  const found = catalogOf(invocation, configuration).resources.find((resource) => resource.name === name);
  if (found === undefined) throw new RangeError(`no resource ${name}`);
  return found;
}

/** A user's file as inputs of a resource: what the command line says too takes the place of what the file says. */
export interface GivenInputs {
  readonly values: Values;
  /** What other engines have in the provider's configuration: the hosts. */
  readonly configuration: Values;
  /** The error at the user's line. */
  place(error: StasisError): StasisError;
}

export async function readInputs(
  invocation: Invocation,
  file: string,
  schema: ResourceDefinition['inputs'],
  fromArguments: Values = {},
): Promise<GivenInputs> {
  const document: InputDocument = await refusing(() => readDocument(file, invocation.source));
  invocation.hide(secretsIn(schema, document.values));
  const { store, hosts, ...rest } = document.values;
  const configuration = hosts === undefined || hosts === null ? {} : { hosts };
  invocation.hide(secretsIn(invocation.provider.configuration, configuration));
  const wrong = invocation.provider.check(configuration);
  if (wrong.length > 0) throw new Refusal(wrong.map((error) => placed(error, document, new Set())));
  const isStoreGiven = invocation.options.store !== undefined || store === undefined || store === null;
  const values = { ...rest, ...(isStoreGiven ? {} : { store }), ...fromArguments };
  const elsewhere = new Set([...Object.keys(fromArguments), ...(isStoreGiven ? ['store'] : [])]);
  return { values, configuration, place: (error) => placed(error, document, elsewhere) };
}

/** What fails in here is wrong use or input: nothing was touched yet. */
export async function refusing<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof StasisError && !(error instanceof Refusal)) throw new Refusal([error]);
    throw error;
  }
}

/** Errors that the work throws, at the user's lines. */
export async function placing<T>(inputs: GivenInputs, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof Refusal) throw new Refusal(error.problems.map(inputs.place));
    throw inputs.place(toStasisError(error));
  }
}

/** What a change that creates would do, with problems at the user's lines. */
export async function planOf(
  invocation: Invocation,
  resource: ResourceDefinition,
  inputs: GivenInputs,
): Promise<Pick<PlannedChange, 'problems' | 'estimate'>> {
  const planned = await refusing(() => resource.plan({ inputs: inputs.values }, invocation.context));
  const problems = [...computedProblems(resource.inputs, inputs.values), ...planned.problems].map(
    inputs.place,
  );
  return { problems, estimate: planned.estimate };
}

/**
 * Plans a change that creates; warnings are shown, and any error ends it before anything is touched, but for those that
 * the command then does something about: they are returned.
 */
export async function insistOnPlan(
  invocation: Invocation,
  resource: ResourceDefinition,
  inputs: GivenInputs,
  handled: (error: StasisError) => boolean = () => false,
): Promise<readonly StasisError[]> {
  const { problems } = await planOf(invocation, resource, inputs);
  const errors = problems.filter(({ severity }) => severity === 'error');
  const refused = errors.filter((error) => !handled(error));
  for (const problem of problems) if (problem.severity === 'warning') invocation.output.problem(problem);
  if (refused.length > 0) throw new Refusal(refused);
  return errors;
}

/** The store that the command line names. */
export function openDefaultStore(invocation: Invocation): Promise<Store> {
  return refusing(() =>
    openStore(invocation.services, defaultsOf(invocation), undefined, invocation.context),
  );
}

export async function find(
  invocation: Invocation,
  reference: string,
): Promise<{ store: Store; entry: GenerationEntry }> {
  const store = await openDefaultStore(invocation);
  return { store, entry: await refusing(() => resolveReference(store, reference)) };
}
