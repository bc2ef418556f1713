import { mariadbAdapter } from './mariadb.ts';
import { describeDriver } from './suite.ts';

await describeDriver(mariadbAdapter);
