import type { SqlServer } from './sql-server.ts';

/** `numbers_to.n` with the column n, from 0 on, where a server has nothing like MariaDB's `seq_0_to_9999`. */
export async function makeNumbers(server: Pick<SqlServer, 'query'>): Promise<void> {
  const digits = 'SELECT 0 AS d UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4';
  const all = `${digits} UNION ALL SELECT 5 UNION ALL SELECT 6 UNION ALL SELECT 7 UNION ALL SELECT 8 UNION ALL SELECT 9`;
  await server.query(
    `CREATE DATABASE numbers_to; CREATE TABLE numbers_to.d AS ${all};
     CREATE TABLE numbers_to.n (n int PRIMARY KEY);
     INSERT INTO numbers_to.n SELECT a.d + 10 * b.d + 100 * c.d + 1000 * e.d
       FROM numbers_to.d a, numbers_to.d b, numbers_to.d c, numbers_to.d e`,
  );
}
