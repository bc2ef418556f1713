import { postgresWithEverything } from './postgres.ts';
import { describeDriver } from './suite.ts';

await describeDriver(postgresWithEverything, ['declares itself', 'brings back what it captured']);
