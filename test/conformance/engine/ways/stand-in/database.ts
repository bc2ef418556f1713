import pg from 'pg';

/** Makes the database that a URL names on its server, with a table in it. */
export async function createDatabase(url: string): Promise<void> {
  const name = new URL(url).pathname.slice(1);
  const server = new URL(url);
  server.pathname = '/postgres';
  await query(server.href, `CREATE DATABASE ${pg.escapeIdentifier(name)}`);
  await query(url, 'CREATE TABLE orders (id int); INSERT INTO orders VALUES (1), (2), (3)');
}

async function query(connectionString: string, sql: string): Promise<void> {
  const client = new pg.Client({ connectionString, connectionTimeoutMillis: 30_000, query_timeout: 30_000 });
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}
