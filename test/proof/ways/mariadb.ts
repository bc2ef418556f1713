import type { SqlServer } from '../../support/sql-server.ts';
import type { Sabotage } from '../sabotaged.ts';
import { next, SECOND_NS, shifted, type Way } from './way.ts';

interface WithStock {
  readonly stock: SqlServer;
}

/** What breaks the mark of a MariaDB, or the proof that it stood still around it. */
export function mariadbWays<App extends WithStock, Name extends string>(
  member: Name,
  members: readonly Name[],
): Way<App, Name>[] {
  const way = (name: string, sabotage: (stock: SqlServer) => Sabotage): Way<App, Name> => ({
    name: `mariadb: ${name}`,
    members,
    sabotage: async ({ stock }) =>
      ({ [member]: sabotage(stock) }) as unknown as Partial<Record<Name, Sabotage>>,
  });
  const write = (stock: SqlServer): Promise<unknown> =>
    stock.query(`INSERT INTO notes (word) VALUES ('s${next()}')`, 'shop');
  return [
    way('a write between the readings around the mark', (stock) => ({
      afterEpoch: async () => {
        await write(stock);
      },
    })),
    way('a write right after the mark', (stock) => ({
      afterMark: async () => {
        await write(stock);
      },
    })),
    way('a write, and the binary log begun anew', (stock) => ({
      afterEpoch: async () => {
        await write(stock);
        await stock.query('RESET MASTER');
      },
    })),
    way('a table made between the readings', (stock) => ({
      afterEpoch: async () => {
        await stock.query(`CREATE TABLE made_${next()} AS SELECT 1 AS a`, 'shop');
      },
    })),
    way('the session that holds the mark is killed', (stock) => ({
      beforeCopy: async () => {
        await stock.query('KILL HARD USER photographer');
      },
    })),
    way('a table of the mark is emptied by TRUNCATE before it is copied', (stock) => ({
      beforeCopy: async () => {
        await stock.query('KILL HARD USER photographer; TRUNCATE notes', 'shop');
      },
    })),
    way('its mark is shifted by a second', () => ({
      marks: (marks) => marks.map((mark) => shifted(mark, SECOND_NS)),
    })),
    way('its clock readings are shifted', () => ({
      epoch: (reading) => shifted(reading, 2 * SECOND_NS),
    })),
    way('every epoch is another one', () => ({
      epoch: (reading, count) => ({ ...reading, value: `${reading.value}:${count}` }),
    })),
  ];
}
