import { itemName } from '../../../core/item-name.ts';

/** By its key, whose columns are quoted as in statements. */
export function rowName(key: readonly string[], values: readonly string[]): string {
  return itemName(key.map(unquoted), values);
}

/** An identifier as it stands in statements, without its quotes. */
export function unquoted(column: string): string {
  return column.slice(1, -1).replaceAll('""', '"');
}
