import { postgresWithEverything } from './postgres.ts';
import { describeDriver } from './suite.ts';

await describeDriver(postgresWithEverything, ['can be ended at every step', 'never harms a target']);
