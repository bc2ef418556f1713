import { StasisError } from '../../../core/errors.ts';
import type { FingerprintEntry } from '../../../core/fingerprint.ts';
import { digestOf } from '../../../core/fingerprint-digest.ts';
import { list, type Rows, text } from '../connect/sql.ts';
import type { Product } from '../product/product.ts';

/**
 * Settings of the server under which the same statement gives another answer, and whose defaults are the same in all
 * releases that are captured; a product has some of its own besides. Neither has none of these by database, so that a restore cannot bring them along: a target
 * on which they differ is named, as an application that is moved there behaves otherwise. Settings that only say how
 * long something takes or how much of it may be had, and those for tables that are yet to be made, are no part.
 */
const MEANINGFUL = [
  ...['sql_mode', 'auto_increment_increment', 'auto_increment_offset', 'div_precision_increment'],
  ...['default_week_format', 'lc_time_names', 'group_concat_max_len', 'sql_auto_is_null'],
  'foreign_key_checks',
];

/** What a time zone does is told by what it makes of these: winters and summers of thirty years, as Unix seconds. */
const INSTANTS = [
  821_707_200, 837_432_000, 1_137_326_400, 1_153_051_200, 1_452_859_200, 1_468_584_000, 1_768_478_400,
  1_784_203_200,
];

export interface ServerSetting {
  readonly name: string;
  readonly value: string;
  /** Equal exactly where two values do the same. */
  readonly meaning: string;
}

/** Whether events run concerns only who has some. */
export async function serverSettings(
  rows: Rows,
  product: Product,
  hasEvents: boolean,
): Promise<ServerSetting[]> {
  const names = list([...MEANINGFUL, ...product.settings]);
  const found = await rows(`SHOW GLOBAL VARIABLES WHERE Variable_name IN (${names})`);
  const settings = found.map((row) => {
    const value = text(row, 'Value');
    return { name: text(row, 'Variable_name'), value, meaning: value };
  });
  // Sessions of ours are in UTC.
  const times = INSTANTS.map(
    (seconds) => `CONVERT_TZ(FROM_UNIXTIME(${seconds}), '+00:00', @@GLOBAL.time_zone)`,
  ).join(", ' ', ");
  const [other] = await rows(
    `SELECT CONCAT(${times}) AS times, @@GLOBAL.time_zone AS zone, @@GLOBAL.event_scheduler AS scheduler`,
  );
  settings.push({ name: 'time_zone', value: text(other, 'zone'), meaning: text(other, 'times') });
  if (hasEvents) {
    const value = text(other, 'scheduler');
    settings.push({ name: 'event_scheduler', value, meaning: value === 'ON' ? 'runs' : 'does not' });
  }
  return settings;
}

export function settingEntries(settings: readonly ServerSetting[]): FingerprintEntry[] {
  return settings.map(({ name, value, meaning }) => ({
    object: `setting/${name}`,
    digest: digestOf(meaning),
    facts: { value },
  }));
}

/** A restore leaves a server's settings alone: what will be named as a difference is told beforehand. */
export function settingProblems(
  captured: readonly ServerSetting[],
  target: readonly ServerSetting[],
): StasisError[] {
  return captured.flatMap(({ name, value, meaning }) => {
    const there = target.find((setting) => setting.name === name);
    if (there === undefined || there.meaning === meaning) return [];
    return new StasisError(
      'mariadb.other-setting',
      `The target's server has ${name} "${there.value}", the original's "${value}": this will be named as a difference.`,
      {
        hint: `SET GLOBAL ${name} on the target first, or restore with verify "report".`,
        at: ['url'],
        severity: 'warning',
      },
    );
  });
}
