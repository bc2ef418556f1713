import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { once } from '../../../../provider/core/content.ts';
import type { Host } from '../../../../provider/core/host.ts';
import type { LabHere } from '../../../support/lab.ts';
import { memberOf } from '../../../support/member.ts';
import { labHost, on, until } from '../../../support/process/rig.ts';
import { startService } from '../../../support/process/servers.ts';
import type { Kind, Subject } from '../drift.ts';
import { PROCESS_DRIFTS } from './drifts.ts';
import type { ProcessTwin } from './twin.ts';

const FOLDER = join(import.meta.dirname, '..', '..', '..', 'support', 'process');
const FILES = ['/srv/still'];

export function processKind(lab: LabHere): Kind<ProcessTwin> {
  return {
    driver: 'process',
    missing: lab.reason,
    drifts: PROCESS_DRIFTS,
    inShort: 3,
    start: () => ProcessSubject.start(lab),
  };
}

class ProcessSubject implements Subject<ProcessTwin> {
  readonly member;
  private readonly host: Host;
  private readonly resources: AsyncDisposableStack;
  private twins = 0;

  private constructor(host: Host, resources: AsyncDisposableStack) {
    this.host = host;
    this.resources = resources;
    this.member = memberOf('process', { pidFile: '/run/still.pid', files: FILES }, { host });
  }

  static async start(here: LabHere): Promise<ProcessSubject> {
    await using starting = new AsyncDisposableStack();
    const lab = starting.use(await here.start());
    const host = starting.use(labHost(lab, 'cloud'));
    const { signal } = new AbortController();
    for (const program of ['still.py', 'inject.py'])
      await host.write(`/opt/${program}`, once(await readFile(join(FOLDER, program))), { signal });
    await startService(
      host,
      'still',
      'root',
      'setpriv',
      '--clear-groups',
      'python3',
      '/opt/still.py',
      '/srv/still',
    );
    await until(async () => (await on(host, 'cat /srv/still/about')) !== '');
    return new ProcessSubject(host, starting.move());
  }

  async twin(): Promise<ProcessTwin> {
    this.twins += 1;
    const { host } = this;
    const pidFile = `/run/twin-${this.twins}.pid`;
    return {
      ...{ host, pidFile, member: memberOf('process', { pidFile, files: FILES }, { host }) },
      [Symbol.asyncDispose]: async () => {
        await on(host, '[ ! -e "$1" ] || kill -9 "$(cat "$1")"; rm -f -- "$1" "$1.stasis"', pidFile);
      },
    };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.resources.disposeAsync();
  }
}
