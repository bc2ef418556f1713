import { filesAdapter } from './files.ts';
import { describeDriver } from './suite.ts';

await describeDriver(filesAdapter, ['is honest under what breaks naive captures']);
