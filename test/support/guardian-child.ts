/** Starts one server of each kind, tells of them, and waits to be killed: a run of the tests that ends in the middle. */
import { findMariadb, startMariadb } from './mariadb-server.ts';
import { findPostgres, startPostgres } from './postgres-server.ts';
import { findRedis, startRedis } from './redis-server.ts';

const servers = await Promise.all([
  ...((await findPostgres()).length > 0 ? [startPostgres()] : []),
  ...((await findRedis()).length > 0 ? [startRedis()] : []),
  ...(findMariadb() === undefined ? [] : [startMariadb()]),
]);
console.log(JSON.stringify(servers.map(({ pid, folder }) => ({ pid, folder }))));
setTimeout(() => process.exit(1), 60_000);
