/** What tells a row from every other, for people: `id=417`, `region=eu, name="O'Neil\n"`. Different for different values. */
export function rowName(key: readonly string[], values: readonly string[]): string {
  return key.map((column, index) => `${plainly(unquoted(column))}=${plainly(values[index]!)}`).join(', ');
}

/** An identifier as it stands in statements, without its quotes. */
export function unquoted(column: string): string {
  return column.slice(1, -1).replaceAll('""', '"');
}

/** Whatever could be taken for something else stands in quotes, with escapes as in JSON. */
function plainly(value: string): string {
  return /^[\p{L}\p{N}_.:+@-]+$/u.test(value) ? value : JSON.stringify(value);
}
