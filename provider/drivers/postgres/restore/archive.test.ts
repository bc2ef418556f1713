import { describe, expect, test } from '@jest/globals';
import { onlyUnknownSetting } from './archive.ts';

const UNKNOWN =
  'could not execute query: ERROR:  unrecognized configuration parameter "transaction_timeout"\nCommand was: SET transaction_timeout = 0;\n\n';
const OTHER =
  'could not execute query: ERROR:  permission denied for schema app\nCommand was: CREATE TABLE app.orders ();\n\n';
const END = 'pg_restore: warning: errors ignored on restore: 2\n';
const said = (...messages: string[]) => messages.map((message) => `pg_restore: error: ${message}`).join('');

describe('what a pg_restore of 17 and newer says to an older server', () => {
  test('is forgiven where it is of the setting alone', () => {
    expect(onlyUnknownSetting(said(UNKNOWN, UNKNOWN) + END)).toBe(true);
    expect(onlyUnknownSetting(said(UNKNOWN, OTHER) + END)).toBe(false);
    expect(onlyUnknownSetting(said(OTHER))).toBe(false);
    expect(onlyUnknownSetting('pg_restore: warning: out of luck\n')).toBe(false);
  });

  test('is understood where two of its sessions speak at once', () => {
    const mixed = `pg_restore: pg_restore: error: error: ${UNKNOWN}${UNKNOWN}`;
    expect(onlyUnknownSetting(mixed + END)).toBe(true);
    expect(onlyUnknownSetting(`pg_restore: pg_restore: error: error: ${UNKNOWN}${OTHER}${END}`)).toBe(false);
  });
});
