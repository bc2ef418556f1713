import type { Construct } from 'constructs';
import {
  Annotations,
  LibraryResource,
  TerraformDataSource,
  type TerraformMetaArguments,
  TerraformProvider,
} from '#cdk';
import type { Attributes } from './attributes.ts';
import { Inputs, isPlainSecret } from './inputs.ts';

/** A type of our provider: what Terraform calls it, and what it may be given. */
export interface BoundType {
  readonly terraformType: string;
  readonly inputs: Attributes;
}

/** Where the provider comes from, and which of its versions the bindings fit. */
export interface BoundSource {
  readonly name: string;
  readonly source: string;
  readonly version: string;
}

const META_ARGUMENTS = [
  'connection',
  'count',
  'dependsOn',
  'forEach',
  'lifecycle',
  'provider',
  'provisioners',
] as const satisfies readonly (keyof TerraformMetaArguments)[];

/** What is ours of a configuration, and what is the library's. */
function split(config: object): {
  readonly inputs: Record<string, unknown>;
  readonly meta: TerraformMetaArguments;
} {
  const isMeta = ([name]: [string, unknown]) => META_ARGUMENTS.some((known) => known === name);
  const entries: [string, unknown][] = Object.entries(config);
  return {
    inputs: Object.fromEntries(entries.filter((entry) => !isMeta(entry))),
    meta: Object.fromEntries(entries.filter(isMeta)),
  };
}

function metadataOf({ name, version }: BoundSource) {
  return { providerName: name, providerVersionConstraint: `~> ${version}` };
}

/** What the library is told of a resource or a look-up. */
function configOf(type: BoundType, from: BoundSource, meta: TerraformMetaArguments) {
  return {
    ...meta,
    terraformResourceType: type.terraformType,
    terraformGeneratorMetadata: metadataOf(from),
  };
}

/** A resource of our provider. */
export abstract class BoundResource extends LibraryResource {
  protected readonly inputs: Inputs;

  constructor(scope: Construct, id: string, type: BoundType, from: BoundSource, config: object) {
    const { inputs, meta } = split(config);
    super(scope, id, configOf(type, from, meta));
    this.inputs = new Inputs(type.inputs, inputs);
    // What is wrong is told where it was written.
    this.inputs.synthesize((value, at) => this.#warnOfPlain(value, at));
  }

  protected override synthesizeAttributes(): Record<string, unknown> {
    return this.inputs.synthesize((value) => this.writeOnly(value));
  }

  protected override synthesizeHclAttributes(): Record<string, unknown> {
    return this.inputs.synthesizeHcl((value) => this.writeOnly(value));
  }

  #warnOfPlain(value: unknown, at: readonly string[]): unknown {
    if (isPlainSecret(value))
      Annotations.of(this).addWarning(
        `${at.join('.')} holds a password in plain text, and so does what is synthesized. Take it from a SecretVariable.`,
      );
    return value;
  }
}

/** A look-up of our provider. */
export abstract class BoundDataSource extends TerraformDataSource {
  protected readonly inputs: Inputs;

  constructor(scope: Construct, id: string, type: BoundType, from: BoundSource, config: object) {
    const { inputs, meta } = split(config);
    super(scope, id, configOf(type, from, meta));
    this.inputs = new Inputs(type.inputs, inputs);
    this.inputs.synthesize();
  }

  protected override synthesizeAttributes(): Record<string, unknown> {
    return this.inputs.synthesize();
  }

  protected override synthesizeHclAttributes(): Record<string, unknown> {
    return this.inputs.synthesizeHcl();
  }
}

/** Our provider with its configuration. */
export abstract class BoundProvider extends TerraformProvider {
  protected readonly inputs: Inputs;
  #alias: string | undefined;

  constructor(
    scope: Construct,
    id: string,
    attributes: Attributes,
    from: BoundSource,
    { alias, ...inputs }: { readonly alias?: string },
  ) {
    super(scope, id, {
      terraformResourceType: from.name,
      terraformProviderSource: from.source,
      terraformGeneratorMetadata: metadataOf(from),
    });
    this.inputs = new Inputs(attributes, inputs);
    this.#alias = alias;
    this.inputs.synthesize();
  }

  /** The name under which resources ask for this provider in place of the default one. */
  override get alias(): string | undefined {
    return this.#alias;
  }

  override set alias(value: string | undefined) {
    this.#alias = value;
  }

  protected override synthesizeAttributes(): Record<string, unknown> {
    return this.inputs.synthesize();
  }

  protected override synthesizeHclAttributes(): Record<string, unknown> {
    return this.inputs.synthesizeHcl();
  }
}
