import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { PostgresServer } from './postgres-server.ts';

/** Fills a new database with every type and kind of object. */
export async function everyType(server: PostgresServer, database: string): Promise<void> {
  const script = await readFile(join(import.meta.dirname, 'postgres-every-type.sql'), 'utf8');
  await server.query(`CREATE DATABASE ${database}`);
  await server.query(script, { database });
}
