import { everyType } from '../../../support/mariadb-rig.ts';
import { findMariadb, type MariadbServer, startMariadb } from '../../../support/mariadb-server.ts';
import { memberOf } from '../../../support/member.ts';
import type { Kind, Subject } from '../drift.ts';
import { MARIADB_DRIFTS } from './drifts.ts';
import type { MariadbTwin } from './twin.ts';

const SOURCE = 'shop';

export function mariadbKind(): Kind<MariadbTwin> {
  return {
    driver: 'mariadb',
    missing: findMariadb() === undefined ? 'no MariaDB server on this machine' : undefined,
    drifts: MARIADB_DRIFTS,
    inShort: 5,
    start: () => MariadbSubject.start(),
  };
}

class MariadbSubject implements Subject<MariadbTwin> {
  readonly member;
  private readonly source: MariadbServer;
  private readonly target: MariadbServer;
  private twins = 0;

  private constructor(source: MariadbServer, target: MariadbServer) {
    this.source = source;
    this.target = target;
    this.member = memberOf('mariadb', { url: source.url(SOURCE) });
  }

  static async start(): Promise<MariadbSubject> {
    const [source, target] = await Promise.all([startMariadb(), startMariadb()]);
    const subject = new MariadbSubject(source, target);
    try {
      await everyType(source, SOURCE);
      return subject;
    } catch (error) {
      await subject[Symbol.asyncDispose]();
      throw error;
    }
  }

  async twin(): Promise<MariadbTwin> {
    this.twins += 1;
    const { target } = this;
    const database = `twin_${this.twins}`;
    return {
      member: memberOf('mariadb', { url: target.url(database) }),
      query: (sql) => target.query(sql.replaceAll('TWIN', database), database),
      [Symbol.asyncDispose]: async () => {
        await target.query(`DROP DATABASE IF EXISTS ${database}`);
      },
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.source.stop(), this.target.stop()]);
  }
}
