import { postgresAdapter } from './postgres.ts';
import { describeDriver } from './suite.ts';

await describeDriver(postgresAdapter, ['can be ended at every step', 'never harms a target']);
