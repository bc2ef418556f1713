import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { mariadbDriver } from '../../provider/drivers/mariadb/driver.ts';
import type { MariadbSpec } from '../../provider/drivers/mariadb/spec.ts';
import { driverRig } from './driver-rig.ts';
import type { MariadbServer } from './mariadb-server.ts';
import { makeNumbers } from './numbers.ts';
import type { SqlServer } from './sql-server.ts';

export { collect, compareWith, host, replay, restoreOptions, type Taken } from './driver-rig.ts';

export const { capture, copied, restore, restoreAndCompare, observed, stored, compareRunning } =
  driverRig<MariadbSpec>(mariadbDriver);

/** Fills a new database with every type and kind of object. */
export async function everyType(server: MariadbServer, database: string): Promise<void> {
  const script = await readFile(join(import.meta.dirname, 'mariadb-every-type.sql'), 'utf8');
  await server.query(
    `CREATE DATABASE ${database} CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci COMMENT 'the shop'`,
  );
  await server.query(`SET time_zone = '+00:00', sql_mode = 'ALLOW_INVALID_DATES'; ${script}`, database);
}

/** The same for MySQL, which has other types, and no comments of databases. */
export async function everyTypeOfMysql(server: Pick<SqlServer, 'query'>, database: string): Promise<void> {
  const script = await readFile(join(import.meta.dirname, 'mysql-every-type.sql'), 'utf8');
  await server.query(`CREATE DATABASE ${database} CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_as_cs`);
  await makeNumbers(server);
  await server.query(`SET time_zone = '+00:00', sql_mode = 'ALLOW_INVALID_DATES'; ${script}`, database);
}
