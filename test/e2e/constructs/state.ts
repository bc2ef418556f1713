/** What stands for what differs from run to run: a name, and the text that it replaces. */
export type Masks = Readonly<Record<string, string>>;

/** Attributes that differ between two captures of the same state: identities, times, and sizes after compression. */
const VARYING = [
  'certificate',
  'cut_at',
  'digest',
  'id',
  'new_bytes',
  'owner',
  'pause_ms',
  'reference',
  'restore_ms',
  'size_bytes',
  'snapshot',
  'stored_bytes',
];

/**
 * A state as it can be compared with that of another run: places by name, and of what must differ only the type.
 */
export function comparable(value: unknown, masks: Masks, key = ''): unknown {
  if (VARYING.includes(key) && typeof value !== 'object') return `a ${typeof value}`;
  if (typeof value === 'string')
    return Object.entries(masks).reduce((text, [name, place]) => text.replaceAll(place, name), value);
  if (Array.isArray(value)) return value.map((element) => comparable(element, masks));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, element]) => [name, comparable(element, masks, name)]),
  );
}
