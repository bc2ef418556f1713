import { redisAdapter } from './redis.ts';
import { describeDriver } from './suite.ts';

await describeDriver(redisAdapter, ['is honest under what breaks naive captures']);
