import { afterAll } from '@jest/globals';
import { endIdlePool } from '../../../provider/stores/pack/pool.ts';
import { keepCacheApart, layoutUnderTest } from './oci-layout.ts';
import { describeStore } from './suite.ts';

keepCacheApart();
afterAll(endIdlePool);

describeStore(layoutUnderTest);
