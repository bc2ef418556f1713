import { existsSync } from 'node:fs';
import { chmod, mkdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

/** No test leaves it waiting for longer. */
const WAIT_S = 60;

/**
 * Client programs of Postgres of which `pg_dump` waits in the middle of a copy, that is when it is to read large
 * objects from the mark, until it is told to go on. Whatever is to happen in mid-copy surely does.
 */
export class PausedDump {
  /** Folder of the programs: a member's `clientPath`. */
  readonly clientPath: string;

  private constructor(clientPath: string) {
    this.clientPath = clientPath;
  }

  /** `binDir` is the folder of the real ones. */
  static async create(folder: string, binDir: string): Promise<PausedDump> {
    await mkdir(folder);
    for (const name of ['psql', 'pg_restore']) await symlink(join(binDir, name), join(folder, name));
    const script = `#!/bin/sh
case " $* " in
  *" --snapshot="*)
    echo $$ > '${folder}/pid.part' && mv '${folder}/pid.part' '${folder}/pid'
    waited=0
    while [ -e '${folder}/wait' ] && [ $waited -lt ${WAIT_S * 20} ]; do sleep 0.05; waited=$((waited + 1)); done
    ;;
esac
exec '${join(binDir, 'pg_dump')}' "$@"
`;
    await writeFile(join(folder, 'pg_dump'), script);
    await chmod(join(folder, 'pg_dump'), 0o755);
    return new PausedDump(folder);
  }

  /** From now on it waits. */
  async arm(): Promise<void> {
    await rm(join(this.clientPath, 'pid'), { force: true });
    await writeFile(join(this.clientPath, 'wait'), '');
  }

  /** Its process, once it waits. */
  async reached(): Promise<number> {
    const file = join(this.clientPath, 'pid');
    for (let waited = 0; !existsSync(file); waited += 20) {
      if (waited > WAIT_S * 1_000) throw new Error('no copy began');
      await delay(20);
    }
    return Number(await readFile(file, 'utf8'));
  }

  /** Lets it go on, now and later. */
  async go(): Promise<void> {
    await rm(join(this.clientPath, 'wait'), { force: true });
  }
}
