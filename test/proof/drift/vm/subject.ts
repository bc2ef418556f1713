import type { Host } from '../../../../provider/core/host.ts';
import type { LabHere } from '../../../support/lab.ts';
import { memberOf } from '../../../support/member.ts';
import { labHost, on } from '../../../support/process/rig.ts';
import { CountingVm, makeGuest } from '../../../support/vm/rig.ts';
import type { Kind, Subject } from '../drift.ts';
import { VM_DRIFTS } from './drifts.ts';
import type { VmTwin } from './twin.ts';

const FOLDER = '/srv/vm';

export function vmKind(lab: LabHere): Kind<VmTwin> {
  return {
    driver: 'vm',
    missing: lab.reason,
    drifts: VM_DRIFTS,
    held: true,
    inShort: 0,
    start: () => VmSubject.start(lab),
  };
}

class VmSubject implements Subject<VmTwin> {
  readonly member;
  private readonly host: Host;
  private readonly resources: AsyncDisposableStack;
  private twins = 0;

  private constructor(host: Host, vm: CountingVm, resources: AsyncDisposableStack) {
    this.host = host;
    this.resources = resources;
    this.member = memberOf('vm', { qmp: vm.qmp }, { host });
  }

  static async start(here: LabHere): Promise<VmSubject> {
    await using starting = new AsyncDisposableStack();
    const lab = starting.use(await here.start());
    const host = starting.use(labHost(lab, 'cloud'));
    await makeGuest(host);
    // Its console is how devices of a twin, which nobody else runs, are changed.
    const more = ['-monitor', `unix:${FOLDER}/mon.sock,server=on,wait=off`];
    const vm = await CountingVm.start(host, FOLDER, { format: 'raw', more });
    return new VmSubject(host, vm, starting.move());
  }

  async twin(): Promise<VmTwin> {
    this.twins += 1;
    const { host } = this;
    const folder = `/srv/twins-${this.twins}`;
    return {
      ...{ host, folder, member: memberOf('vm', { qmp: `/run/twin-${this.twins}.sock`, folder }, { host }) },
      [Symbol.asyncDispose]: async () => {
        await on(
          host,
          'for file in "$1"/*/stasis-qemu.pid; do kill -9 "$(cat "$file")"; done; rm -rf -- "$1"',
          folder,
        );
      },
    };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.resources.disposeAsync();
  }
}
