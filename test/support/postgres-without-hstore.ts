import { chmod, cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findPostgres } from './postgres-server.ts';

/**
 * Server programs that lack the extension hstore, for as long as they are not disposed of. Postgres finds its own files
 * from where its program lies, so a copy of the tree is a server of its own.
 */
export async function postgresWithoutHstore(): Promise<AsyncDisposable & { readonly binDir: string }> {
  const [newest] = await findPostgres();
  if (newest === undefined) throw new Error('no PostgreSQL is on this machine');
  const lib = newest.binDir.replace(/\/bin$/, '');
  const share = lib.replace('/lib/', '/share/');
  const folder = await mkdtemp(join(tmpdir(), 'stasis-without-hstore-'));
  await cp(lib, join(folder, lib), { recursive: true, verbatimSymlinks: true });
  await cp(share, join(folder, share), {
    recursive: true,
    dereference: true,
    filter: (path) => !/extension\/hstore[.-]/.test(path),
  });
  // The server does not run as root, and has to reach it.
  await chmod(folder, 0o755);
  return {
    binDir: join(folder, newest.binDir),
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  };
}
