import { redisAdapter } from './redis.ts';
import { describeDriver } from './suite.ts';

await describeDriver(redisAdapter, [
  'declares itself',
  'brings back what it captured',
  'can be ended at every step',
  'never harms a target',
]);
