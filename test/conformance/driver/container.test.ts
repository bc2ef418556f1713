import { containerAdapter } from './container.ts';
import { describeDriver } from './suite.ts';

await describeDriver(containerAdapter, [
  'declares itself',
  'brings back what it captured',
  'never harms a target',
]);
