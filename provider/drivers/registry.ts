import type { Driver } from '../core/driver.ts';
import { containerDriver } from './container/driver.ts';
import { filesDriver } from './files/driver.ts';
import { mariadbDriver } from './mariadb/driver.ts';
import { postgresDriver } from './postgres/driver.ts';
import { processDriver } from './process/driver.ts';
import { redisDriver } from './redis/driver.ts';
import { vmDriver } from './vm/driver.ts';

/** All drivers, one line each. Only a composition root imports this. */
export const DRIVERS: readonly Driver[] = [
  postgresDriver,
  mariadbDriver,
  redisDriver,
  filesDriver,
  processDriver,
  vmDriver,
  containerDriver,
];
