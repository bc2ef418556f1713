import { describeDriver } from './suite.ts';
import { vmAdapter } from './vm.ts';

await describeDriver(vmAdapter, ['can be ended at every step']);
