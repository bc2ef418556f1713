import { postgresAdapter } from './postgres.ts';
import { describeDriver } from './suite.ts';

await describeDriver(postgresAdapter, ['is honest under what breaks naive captures']);
