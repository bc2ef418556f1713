import type { Host } from '../../../../provider/core/host.ts';
import type { LabHere } from '../../../support/lab.ts';
import { memberOf } from '../../../support/member.ts';
import { labHost, on, until } from '../../../support/process/rig.ts';
import type { Kind, Subject } from '../drift.ts';
import { CONTAINER_DRIFTS } from './drifts.ts';
import { type ContainerTwin, IMAGE, runLine } from './twin.ts';

const FILES = ['/srv/shared'];

export function containerKind(lab: LabHere): Kind<ContainerTwin> {
  return {
    driver: 'container',
    missing: lab.reason,
    drifts: CONTAINER_DRIFTS,
    inShort: 3,
    start: () => ContainerSubject.start(lab),
  };
}

/** An image of a shell, out of the host's own busybox: no registry is reached. */
const MAKE_IMAGE = `
set -e
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
mkdir -p "$root/bin" "$root/tmp" "$root/etc" "$root/run" "$root/opt/old" "$root/data" "$root/shared"
cp "$(readlink -f "$(command -v busybox)")" "$root/bin/busybox"
for name in sh cat echo mkfifo rm; do ln -s busybox "$root/bin/$name"; done
echo 'root:x:0:0::/:/bin/sh' > "$root/etc/passwd"
for name in kept changed removed; do echo 'of the image' > "$root/opt/old/$name"; done
tar -C "$root" -cf - . | podman import --quiet - "$1" > /dev/null
`;
const MAKE_AROUND = `
set -e
mkdir -p /srv/shared
echo of the host > /srv/shared/word
podman network create --subnet 10.89.8.0/24 stillnet > /dev/null
podman volume create words > /dev/null
`;

class ContainerSubject implements Subject<ContainerTwin> {
  readonly member;
  private readonly target: Host;
  private readonly resources: AsyncDisposableStack;
  private twins = 0;

  private constructor(host: Host, target: Host, resources: AsyncDisposableStack) {
    this.target = target;
    this.resources = resources;
    this.member = memberOf('container', { name: 'still', files: FILES }, { host });
  }

  static async start(here: LabHere): Promise<ContainerSubject> {
    await using starting = new AsyncDisposableStack();
    const lab = starting.use(await here.start());
    const host = starting.use(labHost(lab, 'cloud'));
    // Twins have the addresses and ports of their original, and so a host of their own.
    const target = starting.use(labHost(lab, 'sovereign'));
    await on(host, MAKE_IMAGE, IMAGE);
    await on(host, MAKE_AROUND);
    await on(host, runLine('still'));
    await until(async () => (await on(host, 'podman exec still cat /proc/1/comm')) === 'cat');
    return new ContainerSubject(host, target, starting.move());
  }

  async twin(): Promise<ContainerTwin> {
    this.twins += 1;
    const { target } = this;
    const name = `twin-${this.twins}`;
    return {
      ...{ host: target, name, member: memberOf('container', { name, files: FILES }, { host: target }) },
      [Symbol.asyncDispose]: async () => {
        await on(target, DROP, name, ...FILES);
      },
    };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.resources.disposeAsync();
  }
}

/** All that a restore made, but for the image: the next one finds it there. */
const DROP = `
podman rm --force --ignore --time 0 -- "$1" > /dev/null
podman volume rm --all --force > /dev/null
podman network rm --force stillnet othernet > /dev/null 2>&1
rm -rf -- "$2" /var/lib/stasis/containers
`;
