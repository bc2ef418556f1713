import { farFilesAdapter } from './files-far.ts';
import { describeDriver } from './suite.ts';

await describeDriver(farFilesAdapter, ['is honest under what breaks naive captures']);
