import { farFilesAdapter } from './files-far.ts';
import { describeDriver } from './suite.ts';

await describeDriver(farFilesAdapter, [
  'declares itself',
  'brings back what it captured',
  'can be ended at every step',
  'never harms a target',
]);
