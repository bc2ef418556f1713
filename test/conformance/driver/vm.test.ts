import { describeDriver } from './suite.ts';
import { vmAdapter } from './vm.ts';

await describeDriver(vmAdapter, ['declares itself', 'brings back what it captured', 'never harms a target']);
