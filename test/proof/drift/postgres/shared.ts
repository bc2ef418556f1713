import type { Drift } from '../drift.ts';
import { byServer, bySql, type PostgresTwin } from './twin.ts';

/** Owners, grants, roles, and settings of the database and of its server. */
export const POSTGRES_SHARED_DRIFTS: readonly Drift<PostgresTwin>[] = [
  bySql('a grant', 'GRANT UPDATE ON app.changed TO shop_app', ['table/app.changed/grants']),
  bySql("a column's grant", 'REVOKE UPDATE (total) ON app.keys FROM shop_readers', [
    'table/app.keys/column/total/grants',
  ]),
  bySql('the right to grant', 'REVOKE GRANT OPTION FOR ALL ON app.lines FROM shop_app', [
    'table/app.lines/grants',
  ]),
  bySql("a schema's grant", 'REVOKE USAGE ON SCHEMA app FROM shop_readers', ['schema/app/grants']),
  bySql(
    'what will be granted on new tables',
    'ALTER DEFAULT PRIVILEGES FOR ROLE shop_owner IN SCHEMA app GRANT INSERT ON TABLES TO shop_readers',
    ['default-privileges/shop_owner app r/grants'],
  ),
  bySql("a table's owner", 'ALTER TABLE app.changed OWNER TO shop_owner', [
    'table/app.changed/owner',
    'table/app.changed/grants',
  ]),
  bySql("the database's owner", 'ALTER DATABASE TWIN OWNER TO shop_owner', [
    'database/owner',
    'database/grants',
  ]),
  bySql('who may connect', 'REVOKE CONNECT ON DATABASE TWIN FROM PUBLIC', ['database/grants']),
  bySql("the database's character types", "UPDATE pg_database SET datctype = 'C' WHERE datname = 'TWIN'", [
    'database',
  ]),
  bySql("a setting of the database's", "ALTER DATABASE TWIN SET statement_timeout = '2min'", [
    'database/settings',
  ]),
  bySql("the database's time zone", "ALTER DATABASE TWIN SET timezone = 'Asia/Tokyo'", [
    'database/setting/TimeZone',
  ]),
  byServer("the server's time zone", 'timezone', 'Asia/Tokyo', ['database/setting/TimeZone']),
  bySql('the search path', "ALTER DATABASE TWIN SET search_path = 'app'", ['database/setting/search_path']),
  bySql("a role's setting in the database", "ALTER ROLE shop_app IN DATABASE TWIN SET work_mem = '10MB'", [
    'database/settings/shop_app',
  ]),
  bySql('whether a role may log in', 'ALTER ROLE shop_app NOLOGIN', ['role/shop_app'], {
    undo: 'ALTER ROLE shop_app LOGIN',
  }),
  bySql("a role's setting", "ALTER ROLE shop_app SET timezone = 'Asia/Tokyo'", ['role/shop_app/settings'], {
    undo: 'ALTER ROLE shop_app RESET timezone',
  }),
  bySql('a membership', 'REVOKE shop_readers FROM shop_app', ['role/shop_app/memberships'], {
    undo: 'GRANT shop_readers TO shop_app WITH ADMIN OPTION',
  }),
  bySql("a role's password", "ALTER ROLE shop_app PASSWORD 'other'", [], {
    undo: "ALTER ROLE shop_app PASSWORD 'app-secret'",
    unseen: 'passwords are salted anew wherever they are set, and a role that a target has keeps its own',
  }),
  byServer('how much memory a query may take', 'work_mem', '5MB', [], { harmless: true }),
];
