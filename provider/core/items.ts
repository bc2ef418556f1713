import { concurrently } from './concurrently.ts';
import { throwIfAborted } from './errors.ts';
import { byCodeUnits } from './order.ts';
import { count } from './printable.ts';

/**
 * What an object of a fingerprint consists of, where its parts can be told apart: the rows of a table. Both sides cut
 * their items into the same tree, by a hash of what names an item, so that what differs is found by going down where
 * digests differ, and neither side gives away more than that.
 */
export interface Items {
  /** What one of them is called: `row`. */
  readonly noun: string;
  /** How many there are. */
  readonly count: number;
  /** What an item's digest is made of, in an order that is the same on both sides: a table's columns. */
  readonly fields: readonly string[];
  /** The fields that name an item. Undefined where none do: then what differs is counted. */
  readonly key: readonly string[] | undefined;
  /** @throws StasisError where they cannot be told apart after all */
  tree(cut: ItemCut, limits: ItemLimits): Promise<ItemTree>;
}

/** How both sides cut: an item lies below the node whose path begins the hash (hex) of its key, or of its digest. */
export interface ItemCut {
  readonly fields: readonly string[];
  readonly key: readonly string[] | undefined;
  /** Levels below the root, each sixteen times as wide as the one above. */
  readonly depth: number;
}

export interface ItemLimits {
  /** Milliseconds from now. */
  readonly timeoutMs: number;
  /** Aborts when that is over, or the whole comparison is cancelled. */
  readonly signal: AbortSignal;
}

export interface ItemTree extends AsyncDisposable {
  /** The nodes directly below these; one below which nothing lies is left out. */
  children(parents: readonly string[]): Promise<readonly ItemNode[]>;
  /** The items below these leaves. */
  items(leaves: readonly string[]): Promise<readonly Item[]>;
}

export interface ItemNode {
  /** Hex digits, one a level: `3f`. */
  readonly path: string;
  readonly count: number;
  readonly digest: string;
}

export interface Item {
  /** For people: `id=417`. Equal exactly when the keys are; empty where there is no key. */
  readonly name: string;
  readonly digest: string;
}

/** Which items differ. */
export interface ItemDifferences {
  readonly noun: string;
  /** Some of each kind, in order of their names; without a key none. */
  readonly named: readonly NamedItem[];
  readonly counts: Readonly<Record<NamedItem['kind'], number>>;
  /** How many nodes differ that were not gone into: each has one more at least. */
  readonly passedOver: number;
  readonly isKeyed: boolean;
  /** Whether both sides have the same fields: otherwise only the fields that both have were compared. */
  readonly isWhole: boolean;
}

export interface NamedItem {
  readonly name: string;
  readonly kind: (typeof ITEM_KINDS)[number];
}

const ITEM_KINDS = ['changed', 'missing', 'extra'] as const;

/** How many of an object's items are named; the rest are counted. */
export const ITEMS_NAMED = 20;
const NAME_LENGTH = 120;
/** About so many items lie below a leaf. */
const ITEMS_A_LEAF = 32;
/** 65,536 leaves: what one side holds of a tree while it is compared. */
const DEPTH_MOST = 4;
/** So many nodes of a level are gone into, and so many items are read of each side; what is beyond is counted as one each. */
const NODES_MOST = 4_096;
const ITEMS_MOST = 100_000;

/**
 * Goes down both trees where they differ. Of each side it reads, where one item differs, the nodes beside its path and
 * the items of its leaf.
 * @throws StasisError where one side cannot tell its items apart, or the time is over
 */
export async function compareItems(left: Items, right: Items, limits: ItemLimits): Promise<ItemDifferences> {
  const cut = cutOf(left, right);
  await using trees = new AsyncDisposableStack();
  const [a, b] = (await concurrently([left, right], async (side) =>
    trees.use(await side.tree(cut, limits)),
  )) as [ItemTree, ItemTree];
  const both = async <T>(ask: (tree: ItemTree) => Promise<T>): Promise<[T, T]> => {
    throwIfAborted(limits.signal);
    return (await concurrently([a, b], ask)) as [T, T];
  };
  let nodes: readonly DifferingNode[] = [{ path: '', count: left.count + right.count }];
  let passedOver = 0;
  for (let level = 0; level < cut.depth && nodes.length > 0; level += 1) {
    const paths = nodes.map(({ path }) => path);
    const differing = differingNodes(...(await both((tree) => tree.children(paths))));
    nodes = differing.slice(0, NODES_MOST);
    passedOver += differing.length - nodes.length;
  }
  const leaves = leavesToRead(nodes);
  passedOver += nodes.length - leaves.length;
  const differing = leaves.length === 0 ? [] : differingItems(...(await both((tree) => tree.items(leaves))));
  const counts = { changed: 0, missing: 0, extra: 0 };
  for (const { kind } of differing) counts[kind] += 1;
  return {
    ...{ noun: left.noun, counts, passedOver },
    named: cut.key === undefined ? [] : someOfEachKind(differing),
    isKeyed: cut.key !== undefined,
    isWhole: [left, right].every(({ fields }) => fields.length === cut.fields.length),
  };
}

/** What both sides can do. */
function cutOf(left: Items, right: Items): ItemCut {
  const fields = left.fields.filter((field) => right.fields.includes(field));
  const key = [left.key, right.key].find((one) => one?.every((field) => fields.includes(field)));
  const items = Math.max(left.count, right.count);
  let depth = 0;
  while (depth < DEPTH_MOST && items > ITEMS_A_LEAF * 16 ** depth) depth += 1;
  return { fields, key, depth };
}

interface DifferingNode {
  readonly path: string;
  /** Of items, on both sides together. */
  readonly count: number;
}

function differingNodes(left: readonly ItemNode[], right: readonly ItemNode[]): DifferingNode[] {
  const others = new Map(right.map((node) => [node.path, node]));
  const differing: DifferingNode[] = [];
  for (const node of left) {
    const other = others.get(node.path);
    others.delete(node.path);
    if (other === undefined || other.digest !== node.digest)
      differing.push({ path: node.path, count: node.count + (other?.count ?? 0) });
  }
  return [...differing, ...others.values()].sort((a, b) => byCodeUnits(a.path, b.path));
}

/** As many of them as have no more items than are read. One may have more by itself: equal rows without a key. */
function leavesToRead(nodes: readonly DifferingNode[]): string[] {
  let items = 0;
  return nodes
    .filter(({ count }) => {
      if (items + count > ITEMS_MOST) return false;
      items += count;
      return true;
    })
    .map(({ path }) => path);
}

/** Of items without a name, those that only one side has; one that is there twice counts twice. */
function differingItems(left: readonly Item[], right: readonly Item[]): NamedItem[] {
  const sorted = (items: readonly Item[]): Item[] =>
    items.toSorted((x, y) => byCodeUnits(x.name, y.name) || byCodeUnits(x.digest, y.digest));
  const [a, b] = [sorted(left), sorted(right)];
  const differing: NamedItem[] = [];
  for (let i = 0, j = 0; i < a.length || j < b.length; ) {
    const [one, other] = [a[i], b[j]];
    const order = one === undefined ? 1 : other === undefined ? -1 : orderOf(one, other);
    if (order < 0) differing.push({ name: one!.name, kind: 'missing' });
    else if (order > 0) differing.push({ name: other!.name, kind: 'extra' });
    else if (one!.digest !== other!.digest) differing.push({ name: one!.name, kind: 'changed' });
    if (order <= 0) i += 1;
    if (order >= 0) j += 1;
  }
  return differing;
}

function orderOf(one: Item, other: Item): number {
  return one.name === '' ? byCodeUnits(one.digest, other.digest) : byCodeUnits(one.name, other.name);
}

function someOfEachKind(differing: readonly NamedItem[]): NamedItem[] {
  const kinds = ITEM_KINDS.map((kind) => differing.filter((item) => item.kind === kind)).filter(
    ({ length }) => length > 0,
  );
  const each = Math.floor(ITEMS_NAMED / Math.max(1, kinds.length));
  return kinds.flatMap((items) =>
    items.slice(0, each).map(({ name, kind }) => ({ name: clipped(name), kind })),
  );
}

function clipped(name: string): string {
  return name.length > NAME_LENGTH ? `${name.slice(0, NAME_LENGTH)}…` : name;
}

/** A message is read as a sentence. */
const NAMES_SAID = 5;

/** `1 row changed: id=417; 3 rows missing: id=5, id=6, id=9`. Empty where no difference was found. */
export function itemWords(found: ItemDifferences): string {
  const { noun, named, counts, passedOver, isKeyed, isWhole } = found;
  const seen = counts.changed + counts.missing + counts.extra;
  const beyond = isWhole ? '' : 'in what both sides have of them ';
  if (seen + passedOver === 0) return isWhole ? '' : `its ${noun}s are equal ${beyond}`.trim();
  if (passedOver > 0) {
    const first = named[0] === undefined ? '' : `, such as ${named[0].name} (${named[0].kind})`;
    const all = seen + passedOver;
    return `at least ${count(all, noun)} ${all === 1 ? 'differs' : 'differ'}${first}`;
  }
  const parts = ITEM_KINDS.filter((kind) => counts[kind] > 0).map((kind) => {
    const names = named.filter((item) => item.kind === kind).map(({ name }) => name);
    const shown = names.slice(0, NAMES_SAID).join(', ');
    const more = counts[kind] > NAMES_SAID ? ', …' : '';
    return `${count(counts[kind], noun)} ${kind}${shown === '' ? '' : `: ${shown}${more}`}`;
  });
  return isKeyed ? parts.join('; ') : `${parts.join(', ')} (no key names them)`;
}
