import { ComplexList, ComplexMap, type ComplexObject, type IInterpolatingParent, Token } from '#cdk';

/** A class for the attributes of an object that only an apply will know. */
export type ReferenceClass<T extends ComplexObject> = new (
  parent: IInterpolatingParent,
  attribute: string,
  fromSet: boolean,
  index?: number | string,
) => T;

/** A map of objects that only an apply will know. */
export class ReferenceMap<T extends ComplexObject> extends ComplexMap {
  readonly #element: ReferenceClass<T>;

  constructor(parent: IInterpolatingParent, attribute: string, element: ReferenceClass<T>) {
    super(parent, attribute);
    this.#element = element;
  }

  /** The object under this key. */
  get(key: string): T {
    return new this.#element(this.terraformResource, this.terraformAttribute, false, quoted(key));
  }
}

/** The libraries write a key as it comes, which would be a variable's name. What looks like a template is none. */
function quoted(key: string): string {
  if (Token.isUnresolved(key)) return key;
  return JSON.stringify(key).replace(/[$%]\{/g, (sign) => sign.slice(0, 1) + sign);
}

/** A list of objects that only an apply will know. */
export class ReferenceList<T extends ComplexObject> extends ComplexList {
  readonly #element: ReferenceClass<T>;

  constructor(parent: IInterpolatingParent, attribute: string, element: ReferenceClass<T>) {
    super(parent, attribute, false);
    this.#element = element;
  }

  /** The object at this place, from 0. */
  get(index: number): T {
    return new this.#element(this.terraformResource, this.terraformAttribute, false, index);
  }
}
