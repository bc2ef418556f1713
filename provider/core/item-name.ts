/** What tells an item from every other, for people: `id=417`, `region=eu, name="O'Neil\n"`. Different for different values. */
export function itemName(fields: readonly string[], values: readonly string[]): string {
  return fields.map((field, index) => `${plainly(field)}=${plainly(values[index]!)}`).join(', ');
}

/** Whatever could be taken for something else stands in quotes, with escapes as in JSON. */
function plainly(value: string): string {
  return /^[\p{L}\p{N}_.:+@-]+$/u.test(value) ? value : JSON.stringify(value);
}
