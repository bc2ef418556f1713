import { filesAdapter } from './files.ts';
import { describeDriver } from './suite.ts';

await describeDriver(filesAdapter, [
  'declares itself',
  'brings back what it captured',
  'can be ended at every step',
  'never harms a target',
]);
