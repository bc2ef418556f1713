import { printable } from '../../core/printable.ts';

/** Markup that may be set into a page as it is: only `html` makes it, from literals of ours and escaped values. */
export class Markup {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

type Value = string | number | Markup | undefined | readonly (Markup | undefined)[];

/**
 * A template for HTML and SVG. Every value is escaped, for text and for quoted attributes alike; characters that hide or
 * reorder text are written out. What is undefined leaves nothing.
 */
export function html(literals: TemplateStringsArray, ...values: readonly Value[]): Markup {
  const pieces = literals.map(
    (literal, index) => literal + (index < values.length ? textOf(values[index]) : ''),
  );
  return new Markup(pieces.join(''));
}

function textOf(value: Value): string {
  if (value === undefined) return '';
  if (value instanceof Markup) return value.text;
  if (Array.isArray(value)) return value.map(textOf).join('');
  return escaped(String(value));
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

export function escaped(text: string): string {
  return printable(text).replace(/[&<>"']/g, (character) => ENTITIES[character]!);
}

/** A share from 0 to 1 as an attribute: `12.345%`. */
export function percent(share: number): string {
  return `${Number((share * 100).toFixed(3))}%`;
}
