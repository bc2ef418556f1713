import { memberOf } from '../../../support/member.ts';
import { everyType } from '../../../support/postgres-every-type.ts';
import { findPostgres, type PostgresServer, startPostgres } from '../../../support/postgres-server.ts';
import type { Kind, Subject } from '../drift.ts';
import { POSTGRES_CODE_DRIFTS } from './code.ts';
import { POSTGRES_DATA_DRIFTS } from './data.ts';
import { POSTGRES_SHARED_DRIFTS } from './shared.ts';
import type { PostgresTwin } from './twin.ts';

const SOURCE = 'shop';

export async function postgresKind(): Promise<Kind<PostgresTwin>> {
  const servers = await findPostgres();
  return {
    driver: 'postgres',
    missing: servers.length > 0 ? undefined : 'no PostgreSQL server on this machine',
    drifts: [...POSTGRES_DATA_DRIFTS, ...POSTGRES_CODE_DRIFTS, ...POSTGRES_SHARED_DRIFTS],
    inShort: 5,
    start: () => PostgresSubject.start(),
  };
}

/** What the changes need beside one of every type and kind. */
const MORE = `
  CREATE EXTENSION pg_trgm;
  CREATE TABLE app.named (region text, code text, value integer, PRIMARY KEY (region, code));
  INSERT INTO app.named SELECT CASE n % 2 WHEN 0 THEN 'e"u' ELSE 'us' END, n || E'\\t\\\\', n FROM generate_series(1, 5000) n;
  CREATE VIEW app.sums AS SELECT (n + 1) * 2 AS twice, what FROM app.events;
  CREATE VIEW app.pairs AS SELECT a.id FROM app.keys a JOIN app.hashed b ON b.v = a.code WHERE a.id > b.k;
  ALTER DATABASE ${SOURCE} SET statement_timeout = '1min';
  ALTER ROLE shop_app IN DATABASE ${SOURCE} SET work_mem = '9MB';
  COMMENT ON DATABASE ${SOURCE} IS 'the shop''s'`;

class PostgresSubject implements Subject<PostgresTwin> {
  readonly member;
  private readonly source: PostgresServer;
  private readonly target: PostgresServer;
  private twins = 0;

  private constructor(source: PostgresServer, target: PostgresServer) {
    this.source = source;
    this.target = target;
    this.member = memberOf('postgres', { url: source.url(SOURCE) });
  }

  static async start(): Promise<PostgresSubject> {
    const [source, target] = await Promise.all([startPostgres(), startPostgres()]);
    const subject = new PostgresSubject(source, target);
    try {
      await everyType(source, SOURCE);
      await source.query(MORE, { database: SOURCE });
      return subject;
    } catch (error) {
      await subject[Symbol.asyncDispose]();
      throw error;
    }
  }

  async twin(): Promise<PostgresTwin> {
    this.twins += 1;
    const { target } = this;
    const database = `twin_${this.twins}`;
    return {
      ...{ server: target, database, member: memberOf('postgres', { url: target.url(database) }) },
      query: (sql) => target.query(sql.replaceAll('TWIN', database), { database }),
      [Symbol.asyncDispose]: async () => {
        await target.query(`DROP DATABASE IF EXISTS ${database} WITH (FORCE)`);
      },
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.source.stop(), this.target.stop()]);
  }
}
