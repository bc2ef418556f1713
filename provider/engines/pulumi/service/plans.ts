import { isDeepStrictEqual } from 'node:util';
import type { Change, PlannedChange } from '../../../core/resource.ts';

/**
 * A plan looks at every member. Within one command the engine asks twice for the same: Check and then a preview of
 * Create, or Diff and then a preview of Update. What the first was told, the second is told too, once.
 */
export class Plans {
  private readonly kept = new Map<string, { readonly change: Change; readonly planned: PlannedChange }>();

  keep(urn: string, change: Change, planned: PlannedChange): void {
    this.kept.set(urn, { change, planned });
  }

  take(urn: string, change: Change): PlannedChange | undefined {
    const found = this.kept.get(urn);
    this.kept.delete(urn);
    return found !== undefined && isDeepStrictEqual(found.change, change) ? found.planned : undefined;
  }
}
