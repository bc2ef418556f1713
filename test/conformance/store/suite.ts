import { describe } from '@jest/globals';
import type { Store } from '../../../provider/core/store.ts';
import { testContext } from '../../support/context.ts';
import { describeContent } from './content.ts';
import { describeDamage } from './damage.ts';
import { describeDeath } from './death.ts';
import { describeNames } from './names.ts';
import { describeRecords } from './records.ts';
import { describeSpace } from './space.ts';
import type { FreshStore, StoreUnderTest } from './under-test.ts';

export interface OpenedStore extends AsyncDisposable {
  readonly fresh: FreshStore;
  readonly store: Store;
}

export async function openFresh(under: StoreUnderTest): Promise<OpenedStore> {
  const fresh = await under.fresh();
  const store = await under.type.open(fresh.spec, testContext());
  return { fresh, store, [Symbol.asyncDispose]: () => fresh[Symbol.asyncDispose]() };
}

/** What every kind of store has to pass. */
export function describeStore(under: StoreUnderTest): void {
  describe(`the store ${under.type.name}`, () => {
    describeContent(under);
    describeNames(under);
    describeRecords(under);
    describeDeath(under);
    describeDamage(under);
    describeSpace(under);
  });
}
