import { mysqlAdapter } from './mysql.ts';
import { describeDriver } from './suite.ts';

await describeDriver(mysqlAdapter);
