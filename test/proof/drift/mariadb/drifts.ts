import type { Drift } from '../drift.ts';
import { bySql, type MariadbTwin } from './twin.ts';

const ROWS: readonly Drift<MariadbTwin>[] = [
  bySql('a value in a row', 'UPDATE events SET n = 0 WHERE id = 500', ['table/events'], {
    rows: '1 row changed: id=500',
  }),
  bySql('a row less', 'DELETE FROM events WHERE id = 500', ['table/events'], {
    rows: '1 row missing: id=500',
  }),
  bySql(
    'a row once more that was there ten times',
    "INSERT INTO duplicates VALUES (1, 'x')",
    ['table/duplicates'],
    { rows: '1 row extra (no key names them)' },
  ),
  bySql('NULL for an empty text', 'UPDATE texts SET v = NULL WHERE id = 2', ['table/texts'], {
    rows: '1 row changed: id=2',
  }),
  bySql('a space at the end of a text', "UPDATE texts SET v = 'trail ' WHERE id = 5", ['table/texts'], {
    rows: '1 row changed: id=5',
  }),
  bySql(
    'capital for small, which its collation takes for equal',
    "UPDATE texts SET c = 'PLAIN' WHERE id = 1",
    ['table/texts'],
    { rows: '1 row changed: id=1' },
  ),
  bySql(
    'a float, by the least there is',
    'UPDATE numbers SET f = 16777218 WHERE bits = 10',
    ['table/numbers'],
    { rows: '1 row changed: id=18446744073709551000' },
  ),
  bySql(
    'a microsecond',
    "UPDATE times SET dt = '9999-12-31 23:59:59.999998' WHERE y = 2155",
    ['table/times'],
    { rows: '1 row missing, 1 row extra (no key names them)' },
  ),
  bySql(
    'an ENUM that holds an error for one that is empty',
    "UPDATE texts SET e = '' WHERE id = 6",
    ['table/texts'],
    { rows: '1 row changed: id=6' },
  ),
  bySql(
    'a byte in the middle of a long value',
    "UPDATE texts SET lb = INSERT(lb, 80000, 1, X'01') WHERE id = 1",
    ['table/texts'],
    { rows: '1 row changed: id=1' },
  ),
  bySql('where AUTO_INCREMENT stands', 'ALTER TABLE notes AUTO_INCREMENT = 100', ['auto-increment/notes']),
  bySql('where a sequence stands', 'SELECT SETVAL(ticket, 500)', ['sequence/ticket']),
  bySql('a table built again, and statistics', 'OPTIMIZE TABLE events; ANALYZE TABLE texts', [], {
    harmless: true,
  }),
];

const TABLES: readonly Drift<MariadbTwin>[] = [
  bySql("a column's default", 'ALTER TABLE computed ALTER COLUMN a SET DEFAULT 8', ['column/computed.a']),
  bySql("a column's type", 'ALTER TABLE duplicates MODIFY b varchar(11)', ['column/duplicates.b']),
  bySql('a NOT NULL', 'ALTER TABLE duplicates MODIFY a int NOT NULL', ['column/duplicates.a']),
  bySql("a column's collation", 'ALTER TABLE duplicates MODIFY b varchar(10) COLLATE utf8mb4_bin', [
    'column/duplicates.b',
  ]),
  bySql("a column's place", 'ALTER TABLE duplicates MODIFY b varchar(10) FIRST', [
    'column/duplicates.b',
    'column/duplicates.a',
  ]),
  bySql(
    'what a generated column is computed of',
    'ALTER TABLE computed MODIFY thrice int AS (b * 4) VIRTUAL',
    ['column/computed.thrice'],
  ),
  bySql('a column shown by *', 'ALTER TABLE computed MODIFY a int DEFAULT 7', ['column/computed.a']),
  bySql("a column's comment", "ALTER TABLE duplicates MODIFY b varchar(10) COMMENT 'x'", [
    'column/duplicates.b',
  ]),
  bySql('an index less', 'ALTER TABLE texts DROP INDEX v', ['index/texts.v']),
  bySql('an index that is used again', 'ALTER TABLE computed ALTER INDEX b NOT IGNORED', [
    'index/computed.b',
  ]),
  bySql('how much of a column an index has', 'ALTER TABLE texts DROP INDEX v, ADD KEY v (v(11))', [
    'index/texts.v',
  ]),
  bySql(
    'what a foreign key does on delete',
    'ALTER TABLE child DROP FOREIGN KEY belongs; ALTER TABLE child ADD CONSTRAINT belongs FOREIGN KEY (parent) REFERENCES parent (id) ON UPDATE SET NULL',
    ['foreign-key/child.belongs'],
  ),
  bySql('a check less', 'ALTER TABLE computed DROP CONSTRAINT small', ['check/computed.small']),
  bySql(
    "a partition's bound",
    "ALTER TABLE events REORGANIZE PARTITION p1, p2 INTO (PARTITION p1 VALUES LESS THAN (1001), PARTITION p2 VALUES LESS THAN MAXVALUE COMMENT 'rest')",
    ['partition/events.p1'],
  ),
  bySql("a table's engine", 'ALTER TABLE nothing ENGINE = Aria', ['table-definition/nothing']),
  bySql("a table's row format", 'ALTER TABLE notes ROW_FORMAT = DYNAMIC KEY_BLOCK_SIZE = 0', [
    'table-definition/notes',
  ]),
  bySql("a table's default collation", 'ALTER TABLE nothing COLLATE utf8mb4_bin', [
    'table-definition/nothing',
  ]),
  bySql("a sequence's step", 'ALTER SEQUENCE ticket INCREMENT BY 4', ['sequence-definition/ticket']),
  bySql("the database's collation", 'ALTER DATABASE TWIN COLLATE utf8mb4_bin', ['database']),
  bySql("the database's comment", "ALTER DATABASE TWIN COMMENT 'other'", [], {
    unseen: 'the target remembers in it which restore has filled it',
  }),
];

const CODE: readonly Drift<MariadbTwin>[] = [
  bySql(
    "a view's text",
    'CREATE OR REPLACE VIEW checked AS SELECT id, other FROM parent WHERE id < 101 WITH CASCADED CHECK OPTION',
    ['view/checked'],
  ),
  bySql(
    "a view's check option",
    'CREATE OR REPLACE VIEW checked AS SELECT id, other FROM parent WHERE id < 100',
    ['view/checked'],
  ),
  bySql(
    "a view's definer",
    "ALTER DEFINER = 'nobody'@'%' VIEW checked AS SELECT id, other FROM parent WHERE id < 100 WITH CASCADED CHECK OPTION",
    ['view/checked'],
  ),
  bySql('a trigger less', 'DROP TRIGGER numbers_in', ['trigger/numbers_in']),
  bySql(
    'what a trigger does',
    'CREATE OR REPLACE TRIGGER numbers_in BEFORE INSERT ON numbers FOR EACH ROW SET NEW.ti = COALESCE(NEW.ti, 1)',
    ['trigger/numbers_in'],
  ),
  bySql(
    'which trigger comes first',
    'DROP TRIGGER numbers_before; CREATE TRIGGER numbers_before BEFORE INSERT ON numbers FOR EACH ROW FOLLOWS numbers_in SET NEW.flag = 1',
    ['trigger/numbers_before', 'trigger/numbers_in'],
  ),
  bySql(
    "a function's body",
    "CREATE OR REPLACE FUNCTION rank_of (m int) RETURNS int DETERMINISTIC COMMENT 'it''s' RETURN m + 2",
    ['routine/function/rank_of'],
  ),
  bySql(
    "a function's argument",
    "SET sql_mode = 'ALLOW_INVALID_DATES'; CREATE OR REPLACE FUNCTION rank_of (m bigint) RETURNS int DETERMINISTIC COMMENT 'it''s' RETURN m + 1",
    ['parameters/function/rank_of'],
  ),
  bySql('whose rights a function has', 'ALTER FUNCTION rank_of SQL SECURITY INVOKER', [
    'routine/function/rank_of',
  ]),
  bySql(
    'the SQL mode of a function',
    "SET sql_mode = 'ANSI,ALLOW_INVALID_DATES'; CREATE OR REPLACE FUNCTION rank_of (m int) RETURNS int DETERMINISTIC COMMENT 'it''s' RETURN m + 1",
    ['routine/function/rank_of'],
  ),
  bySql('when an event runs', "ALTER EVENT nightly ON SCHEDULE EVERY 2 DAY STARTS '2030-01-01 00:00:00'", [
    'event/nightly',
  ]),
  bySql('whether an event runs', 'ALTER EVENT nightly DISABLE', ['event-status/nightly']),
];

const SERVER: readonly Drift<MariadbTwin>[] = [
  bySql("the server's time zone", "SET GLOBAL time_zone = '+09:00'", ['setting/time_zone'], {
    undo: "SET GLOBAL time_zone = 'SYSTEM'",
  }),
  bySql("the server's SQL mode", "SET GLOBAL sql_mode = ''", ['setting/sql_mode'], {
    undo: 'SET GLOBAL sql_mode = DEFAULT',
  }),
  bySql(
    'how far ids are apart',
    'SET GLOBAL auto_increment_increment = 2',
    ['setting/auto_increment_increment'],
    {
      undo: 'SET GLOBAL auto_increment_increment = DEFAULT',
    },
  ),
  bySql(
    'what transactions see of one another',
    "SET GLOBAL tx_isolation = 'READ-COMMITTED'",
    ['setting/tx_isolation'],
    {
      undo: 'SET GLOBAL tx_isolation = DEFAULT',
    },
  ),
  bySql('a grant', "CREATE USER clerk@'%'; GRANT SELECT ON TWIN.* TO clerk@'%'", [], {
    undo: "DROP USER clerk@'%'",
    unseen: 'users and grants are of the server, and in no capture: the coverage says so',
  }),
  bySql('how much memory a sort may take', 'SET GLOBAL sort_buffer_size = 1048576', [], {
    undo: 'SET GLOBAL sort_buffer_size = DEFAULT',
    harmless: true,
  }),
];

export const MARIADB_DRIFTS: readonly Drift<MariadbTwin>[] = [...ROWS, ...TABLES, ...CODE, ...SERVER];
