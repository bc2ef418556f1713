import type { Attribute, Shape } from '../../../provider/engines/terraform/schema/attributes.ts';
import { constantCase, doc, pascalCase } from './text.ts';

export type ObjectShape = Extract<Shape, { kind: 'object' }>;

/** A type that the bindings name, and what has it says of it. */
interface Named {
  readonly name: string;
  readonly shape: ObjectShape;
  readonly description: string;
}

/**
 * The named types of what can be given and of what can be read, as they are met. One name is one type: the same object
 * in two places is written once.
 */
export class Types {
  readonly #given = new Map<string, Named>();
  readonly #read = new Map<string, Named>();
  readonly #texts = new Map<string, readonly string[]>();

  /** The type of an input. Anything may be a token: texts and numbers carry theirs, for the rest it is named. */
  inputType(shape: Shape, path: string, description = ''): string {
    switch (shape.kind) {
      case 'string':
        return shape.allowed
          ? `${this.#text(shape.allowed, shape.typeName ?? path)} | IResolvable`
          : 'string';
      case 'boolean':
        return 'boolean | IResolvable';
      case 'number':
        return 'number';
      case 'list':
        return `readonly ${parenthesised(this.inputType(shape.element, path, description))}[]`;
      case 'map':
        return `Readonly<Record<string, ${this.inputType(shape.element, path, description)}>>`;
      case 'object':
        return this.#name(this.#given, shape, path, description, () =>
          givenAttributes(shape).map((one) =>
            this.inputType(one.shape, path + pascalCase(one.name), one.description),
          ),
        );
      case 'json':
        throw new RangeError(`${path}: JSON is no input`);
    }
  }

  /** The name of the table of an object that can be given. */
  table(shape: ObjectShape, path: string): string {
    return constantCase(this.inputType(shape, path));
  }

  /** The class of an object that only an apply will know. */
  reference(shape: ObjectShape, path: string, description: string): string {
    const name = this.#name(this.#read, shape, path, description, () =>
      readAttributes(shape.attributes).map((one) => this.reading(one, path)),
    );
    return `${name}Reference`;
  }

  /** The type of an attribute that is read, and the expression that reads it of `this`. */
  reading({ name, key, shape, description }: Attribute, path: string): { type: string; expression: string } {
    const place = path + pascalCase(name);
    const inner = shape.kind === 'list' || shape.kind === 'map' ? shape.element : shape;
    if (inner.kind === 'object') {
      const reference = this.reference(inner, place, description);
      if (shape.kind === 'object')
        return { type: reference, expression: `new ${reference}(this, '${key}', false)` };
      const type = shape.kind === 'list' ? 'ReferenceList' : 'ReferenceMap';
      return { type: `${type}<${reference}>`, expression: `new ${type}(this, '${key}', ${reference})` };
    }
    const [type, method] = readers(shape, place);
    return { type, expression: `this.${method}('${key}')` };
  }

  /** Declarations of all types met so far. */
  declarations(): string {
    return [
      ...[...this.#texts].map(
        ([name, allowed]) => `${doc(`One of ${allowed.join(', ')}.`)}\n${enumType(name, allowed)}`,
      ),
      ...[...this.#given.values()].map((named) => this.#interface(named)),
      ...[...this.#given.values()].map(({ name, shape }) =>
        this.tableOf(constantCase(name), shape.attributes, name),
      ),
      ...[...this.#read.values()].map((named) => this.#referenceClass(named)),
    ].join('\n\n');
  }

  /** What can be given, for what is done with it when the program runs. */
  tableOf(constant: string, attributes: readonly Attribute[], path: string): string {
    const rows = attributes
      .filter(({ presence }) => presence !== 'computed')
      .map((attribute) => {
        const { name, key, presence, writeOnly, shape } = attribute;
        const parts = [
          `key: '${key}'`,
          ...(presence === 'required' ? ['required: true'] : []),
          ...(writeOnly ? ['writeOnly: true'] : []),
          ...this.#inner(shape, path + pascalCase(name)),
        ];
        return `  ${name}: { ${parts.join(', ')} },`;
      });
    return `const ${constant}: Attributes = {\n${rows.join('\n')}\n};`;
  }

  /** One property of an interface for what can be given. */
  property({ name, presence, shape, description }: Attribute, path: string): string {
    const type = this.inputType(shape, path + pascalCase(name), description);
    return `${doc(description, '  ')}\n  readonly ${name}${presence === 'required' ? '' : '?'}: ${type};`;
  }

  #inner(shape: Shape, path: string): string[] {
    const inner = shape.kind === 'list' || shape.kind === 'map' ? shape.element : shape;
    if (inner.kind !== 'object') return [];
    const nesting = shape.kind === 'object' ? 'single' : shape.kind;
    const one = inner.exactlyOne ? ', exactlyOne: true' : '';
    return [`inner: { nesting: '${nesting}', attributes: ${this.table(inner, path)}${one} }`];
  }

  #interface({ name, shape, description }: Named): string {
    const properties = givenAttributes(shape).map((one) => this.property(one, name));
    if (!shape.exactlyOne)
      return `${doc(description)}\nexport interface ${name} {\n${properties.join('\n')}\n}`;
    return oneOf(
      name,
      description,
      givenAttributes(shape).map((one) => ({
        ...one,
        type: this.inputType(one.shape, name + pascalCase(one.name)),
      })),
    );
  }

  #referenceClass({ name, shape, description }: Named): string {
    return `${doc(`${description} As it is known once applied.`)}\nexport class ${name}Reference extends ComplexObject {\n${getters(this, shape.attributes, name)}\n}`;
  }

  #text(allowed: readonly string[], typeName: string): string {
    const known = this.#texts.get(typeName);
    if (known !== undefined && known.join() !== allowed.join())
      throw new RangeError(`two types are called ${typeName}`);
    this.#texts.set(typeName, allowed);
    return typeName;
  }

  #name(
    known: Map<string, Named>,
    shape: ObjectShape,
    path: string,
    description: string,
    visit: () => unknown,
  ): string {
    const name = shape.typeName ?? path;
    const met = known.get(name);
    if (met === undefined) {
      // What it consists of comes before it: tables are constants.
      visit();
      known.set(name, { name, shape, description });
    } else if (JSON.stringify(met.shape) !== JSON.stringify(shape))
      throw new RangeError(`two types are called ${name}`);
    return name;
  }
}

function parenthesised(type: string): string {
  return type.includes(' ') ? `(${type})` : type;
}

function enumType(name: string, allowed: readonly string[]): string {
  return `export type ${name} = ${allowed.map((text) => `'${text}'`).join(' | ')};`;
}

function givenAttributes({ attributes }: ObjectShape): readonly Attribute[] {
  return attributes.filter(({ presence }) => presence !== 'computed');
}

/** What is write-only can never be read. */
function readAttributes(attributes: readonly Attribute[]): readonly Attribute[] {
  return attributes.filter(({ writeOnly }) => !writeOnly);
}

/** One getter for each attribute. */
export function getters(types: Types, attributes: readonly Attribute[], path: string): string {
  return readAttributes(attributes)
    .map((attribute) => {
      const { type, expression } = types.reading(attribute, path);
      return `${doc(attribute.description, '  ')}\n  get ${attribute.name}(): ${type} {\n    return ${expression};\n  }`;
    })
    .join('\n');
}

function readers(shape: Shape, path: string): readonly [type: string, method: string] {
  if (shape.kind === 'string' || shape.kind === 'json') return ['string', 'getStringAttribute'];
  if (shape.kind === 'number') return ['number', 'getNumberAttribute'];
  if (shape.kind === 'boolean') return ['IResolvable', 'getBooleanAttribute'];
  if (shape.kind === 'list' && shape.element.kind === 'string') return ['string[]', 'getListAttribute'];
  if (shape.kind === 'list' && shape.element.kind === 'number') return ['number[]', 'getNumberListAttribute'];
  // There is no reader of lists of lists: an expression for all of it can be handed on as it is.
  if (shape.kind === 'list' && shape.element.kind === 'list')
    return ['IResolvable', 'interpolationForAttribute'];
  if (shape.kind === 'map' && shape.element.kind === 'string')
    return ['Record<string, string>', 'getStringMapAttribute'];
  if (shape.kind === 'map' && shape.element.kind === 'number')
    return ['Record<string, number>', 'getNumberMapAttribute'];
  throw new RangeError(`${path}: the bindings cannot read a ${shape.kind} of this kind`);
}

/** A type of which exactly one field is given, and a function that makes each kind of it. */
function oneOf(
  name: string,
  description: string,
  kinds: readonly (Attribute & { readonly type: string })[],
): string {
  const properties = kinds.map(
    (kind) => `${doc(kind.description, '  ')}\n  readonly ${kind.name}: ${kind.type};`,
  );
  const makers = kinds.map(
    (kind) =>
      `${doc(kind.description, '  ')}\n  ${kind.name}: (${kind.name}: ${kind.type}): ${name}Of<'${kind.name}'> => ({ ${kind.name} }),`,
  );
  return `/** What a ${name} can be. */
export interface ${name}Kinds {
${properties.join('\n')}
}

/** A ${name} of this kind, and of no other. */
export type ${name}Of<K extends keyof ${name}Kinds> = { readonly [P in K]: ${name}Kinds[P] } & {
  readonly [P in Exclude<keyof ${name}Kinds, K>]?: never;
};

${doc(`One of ${description.charAt(0).toLowerCase()}${description.slice(1)} Exactly one kind: two, or none, do not compile.`)}
export type ${name} = { readonly [K in keyof ${name}Kinds]: ${name}Of<K> }[keyof ${name}Kinds];

/** Makes a ${name}, of one kind each. */
export const ${name} = {
${makers.join('\n')}
} as const;`;
}
