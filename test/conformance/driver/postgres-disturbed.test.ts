import { postgresWithEverything } from './postgres.ts';
import { describeDriver } from './suite.ts';

await describeDriver(postgresWithEverything, ['is honest under what breaks naive captures']);
