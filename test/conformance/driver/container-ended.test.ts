import { containerAdapter } from './container.ts';
import { describeDriver } from './suite.ts';

await describeDriver(containerAdapter, ['can be ended at every step']);
