import type { Host } from '../../../../provider/core/host.ts';
import { on } from '../../../support/process/rig.ts';
import type { Drift, Twin } from '../drift.ts';

/** A restored container whose processes do nothing, so that it stays as it is. */
export interface ContainerTwin extends Twin {
  readonly host: Host;
  readonly name: string;
}

type More = Pick<Drift, 'besides' | 'unseen' | 'harmless'>;

/** Of a container: its name, its first process on the host, its changes, and its root as its processes see it. */
const LOOK = `
set -e
name=$1; shift
pid=$(podman container inspect --format '{{.State.Pid}}' "$name")
root=/proc/$pid/root
`;

/** A change by a shell script that runs on its host, in which `$name`, `$pid` and `$root` are its. */
export function byScript(
  name: string,
  objects: Drift['objects'],
  script: string,
  more: More = {},
): Drift<ContainerTwin> {
  return {
    ...{ name, objects, ...more },
    change: async ({ host, name: container }) => {
      await on(host, LOOK + script, container);
    },
  };
}

/** What the container is made with, by option. */
const OPTIONS = {
  network: 'stillnet',
  ip: '10.89.8.11',
  publish: '7801:80',
  volume: 'words:/data',
  mount: 'type=bind,source=/srv/shared,target=/shared',
  env: 'COLOUR=red',
  label: 'purpose=test',
  hostname: 'still',
} as const;

export const IMAGE = 'localhost/stasis-still:1';

/** Two programs that wait for ever; a sleep would end where CRIU interrupts it. */
const PROGRAM = `
echo of the container > /opt/new
echo changed > /opt/old/changed
rm -f /opt/old/removed
echo of memory > /dev/shm/kept
echo of the volume > /data/words
mkfifo /tmp/quiet
exec 3<> /tmp/quiet
cat <&3 &
exec cat <&3`;

/** `podman run` with its options, as one line of shell. */
export function runLine(container: string): string {
  const options = Object.entries(OPTIONS).map(([option, value]) => `--${option}=${value}`);
  const words = ['podman', 'run', '--detach', `--name=${container}`, ...options, IMAGE, 'sh', '-c', PROGRAM];
  return `${words.map((word) => `'${word}'`).join(' ')} > /dev/null`;
}
