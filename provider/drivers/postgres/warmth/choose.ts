import { fitting, WHOLE_INDEX } from '../../../core/warmth.ts';
import type { HotRelation } from './hot.ts';
import { keyOf, type NamedRelation, type RelationKind } from './relations.ts';

/** A relation of the restored database. */
export interface RestoredRelation extends NamedRelation {
  readonly oid: string;
  readonly blocks: number;
}

/** Blocks to be read into the buffers, both ends included. */
export interface Stretch {
  readonly oid: string;
  readonly kind: RelationKind;
  readonly schema: string;
  readonly name: string;
  readonly first: number;
  readonly last: number;
  readonly used: number;
}

/**
 * Which blocks of the restored database to bring back, the most used first, up to a budget. Rows lie in the restored
 * table in the order in which they lay in the original, without the holes, so that a block is looked for as far into
 * the relation as it was.
 */
export function chooseBlocks(
  hot: readonly HotRelation[],
  here: readonly RestoredRelation[],
  budgetBlocks: number,
): { readonly chosen: readonly Stretch[]; readonly blocks: number; readonly left: number } {
  const byKey = new Map(here.map((relation) => [keyOf(relation), relation]));
  const wanted = hot.flatMap((relation) => {
    const restored = byKey.get(keyOf(relation));
    return restored === undefined ? [] : stretchesOf(relation, restored);
  });
  wanted.sort((a, b) => b.used - a.used || Number(a.kind !== 'index') - Number(b.kind !== 'index'));
  const { chosen, size, left } = fitting(wanted, lengthOf, budgetBlocks, (stretch, blocks) => ({
    ...stretch,
    last: stretch.first + blocks - 1,
  }));
  return { chosen, blocks: size, left };
}

export function lengthOf({ first, last }: Pick<Stretch, 'first' | 'last'>): number {
  return last - first + 1;
}

function stretchesOf(hot: HotRelation, restored: RestoredRelation): Stretch[] {
  if (restored.blocks === 0 || hot.blocks === 0) return [];
  const { oid, kind, schema, name } = restored;
  const made = (first: number, last: number, used: number): Stretch => ({
    ...{ oid, kind, schema, name },
    ...{ first, last, used },
  });
  const pages = hot.ranges.reduce((sum, [first, last]) => sum + last - first + 1, 0);
  const most = Math.max(...hot.ranges.map(([, , used]) => used));
  const isIndex = kind === 'index' || kind === 'toast-index';
  if (isIndex && pages >= hot.blocks * WHOLE_INDEX) return [made(0, restored.blocks - 1, most)];
  const merged: Stretch[] = [];
  for (const [first, last, used] of hot.ranges) {
    // An original that has grown while it was read may have more than it was said to have.
    const scale = restored.blocks / Math.max(hot.blocks, last + 1);
    const next = made(
      Math.floor(first * scale),
      Math.min(restored.blocks, Math.ceil((last + 1) * scale)) - 1,
      used,
    );
    const before = merged.at(-1);
    if (before === undefined || next.first > before.last + 1) merged.push(next);
    else
      merged[merged.length - 1] = {
        ...before,
        last: Math.max(before.last, next.last),
        used: Math.max(before.used, used),
      };
  }
  return merged;
}
