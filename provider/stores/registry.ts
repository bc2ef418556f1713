import type { StoreType } from '../core/store.ts';
import { ociLayout } from './oci-layout/type.ts';

/** Every kind of store, one line each. */
export const STORE_TYPES: readonly StoreType[] = [ociLayout];
