import { join } from 'node:path';

const ROOT = join(import.meta.dirname, '../../../..');

/** Makes the database that DATABASE_URL names, as the API of a cloud would: a command, without a shell's quoting. */
export const CREATE_DATABASE: readonly string[] = [
  join(ROOT, 'node_modules/node/bin/node'),
  '--disable-warning=ExperimentalWarning',
  join(import.meta.dirname, 'stand-in/create-database.ts'),
];
