import { processAdapter } from './process.ts';
import { describeDriver } from './suite.ts';

await describeDriver(processAdapter);
