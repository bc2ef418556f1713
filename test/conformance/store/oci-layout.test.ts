import { afterAll } from '@jest/globals';
import { endIdlePool } from '../../../provider/stores/pack/pool.ts';
import { layoutUnderTest } from './oci-layout.ts';
import { describeStore } from './suite.ts';

afterAll(endIdlePool);

describeStore(layoutUnderTest);
