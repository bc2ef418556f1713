import { mkdirSync, rmSync } from 'node:fs';
import type { Host } from '../../../provider/core/host.ts';
import { filesDriver } from '../../../provider/drivers/files/driver.ts';
import { type HostName, type Lab, labOrReason } from '../../support/lab.ts';
import { insideOf } from '../../support/lab-inside.ts';
import { labHost, on } from '../../support/process/rig.ts';
import type { DriverAdapter, System } from './adapter.ts';
import { boundTo } from './bound.ts';
import { FolderSystem, filesAdapter, programsMissing } from './files.ts';
import { type Ground, HELPERS } from './files-ground.ts';

const FOLDER = '/srv/conformance';
const FAR_HELPERS = [...HELPERS, 'find', 'stat', 'sha256sum', 'grep'];

const here = await labOrReason();

/** The same folder and application on another host, which the driver reaches by SSH alone. */
class FarAdapter implements DriverAdapter {
  private host: Host | undefined;
  readonly driver = boundTo(filesDriver, () => this.host!);
  readonly sessions = filesAdapter.sessions;

  async unavailable(): Promise<string | undefined> {
    return here.reason ?? programsMissing();
  }

  async start(): Promise<System> {
    await using starting = new AsyncDisposableStack();
    const lab = starting.use(await here.start());
    const host = starting.use(labHost(lab, 'cloud'));
    this.host = host;
    return new FolderSystem(farGround(lab, 'cloud', host, starting.move()));
  }
}

export const farFilesAdapter: DriverAdapter = new FarAdapter();

/** A folder of a host of the lab. */
function farGround(lab: Lab, name: HostName, host: Host, resources: AsyncDisposableStack): Ground {
  const inside = insideOf(lab, name);
  const view = `${inside.root}${FOLDER}`;
  mkdirSync(view);
  return {
    path: FOLDER,
    view,
    command: inside.command,
    async helpers() {
      const found = await on(host, `pgrep -l -x '${FAR_HELPERS.join('|')}'; true`);
      return found === '' ? [] : found.split('\n').map((line) => `${line} runs`);
    },
    async [Symbol.asyncDispose]() {
      rmSync(view, { recursive: true, force: true });
      await resources.disposeAsync();
    },
  };
}
