/** What a construct may be given, by the name that a program writes. The generated bindings hold one for each type. */
export type Attributes = Readonly<Record<string, Attribute>>;

export interface Attribute {
  /** As Terraform has it: `max_pause_ms`. */
  readonly key: string;
  readonly required?: true;
  /** Kept in no state, and so a secret. */
  readonly writeOnly?: true;
  /** What is inside, where it is an object, or a map or list of objects. */
  readonly inner?: Inner;
}

export interface Inner {
  readonly nesting: 'single' | 'map' | 'list';
  readonly attributes: Attributes;
  /** They are a member's drivers, of which exactly one is given. */
  readonly exactlyOne?: true;
}
