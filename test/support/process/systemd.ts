import { once } from '../../../provider/core/content.ts';
import type { Host } from '../../../provider/core/host.ts';
import { sshHost } from '../../../provider/hosts/ssh/host.ts';
import type { HostName, Lab } from '../lab.ts';
import { labHost, on, until } from './rig.ts';

const PORT = 2222;
const TARGET = '/etc/systemd/system/machine.target';
const DOOR = `[Unit]
DefaultDependencies=no
[Service]
ExecStart=/usr/sbin/sshd -D -p ${PORT} -o PermitRootLogin=prohibit-password -o PasswordAuthentication=no -o UsePAM=no
`;
/** Of every unit that a test adds: with the journal, and without all else that a boot brings. */
const HEAD = `[Unit]
DefaultDependencies=no
Requires=systemd-journald.socket systemd-journald.service
After=systemd-journald.socket systemd-journald.service
`;

/** PORT: systemd as the first process of namespaces of its own, in the host's network and file system. */
const BOOT = `
mkdir -p /sys/fs/cgroup/machine
(
  echo 0 > /sys/fs/cgroup/machine/cgroup.procs
  exec setsid env container=lab unshare --mount --pid --cgroup --uts --ipc --fork sh -c '
    mount -t proc proc /proc && umount -l /sys/fs/cgroup && mount -t cgroup2 cgroup2 /sys/fs/cgroup &&
      mount -t tmpfs -o mode=755 tmpfs /run && mkdir -p /run/sshd /run/lock &&
      exec /lib/systemd/systemd --unit=machine.target'
) < /dev/null > /tmp/systemd.log 2>&1 &
`;

/**
 * A machine that systemd runs, on a host of the lab and reached by an sshd that is a unit of it; it ends with the lab.
 * @param services by the unit's name, without `.service`: its section `[Service]`
 */
export async function startSystemd(
  lab: Lab,
  name: HostName,
  services: Readonly<Record<string, string>>,
): Promise<Host & AsyncDisposable> {
  const { signal } = new AbortController();
  await using host = labHost(lab, name);
  const names = Object.keys(services);
  const wanted = ['door', 'systemd-journald', ...names].map((unit) => `${unit}.service`).join(' ');
  await host.write(TARGET, once(Buffer.from(`[Unit]\nRequires=${wanted}\n`)), { signal, mode: 0o644 });
  const write = (unit: string, text: string): Promise<void> =>
    host.write(`/etc/systemd/system/${unit}.service`, once(Buffer.from(text)), { signal, mode: 0o644 });
  await write('door', DOOR);
  for (const unit of names) await write(unit, `${HEAD}[Service]\n${services[unit]}`);
  await on(host, BOOT);
  const machine = sshHost(`systemd on ${name}`, {
    ...{ address: lab.hosts[name].address, port: PORT, user: 'root', privateKeyFile: lab.keyFile },
    hostKey: lab.hosts[name].hostKey,
  });
  await until(async () => {
    for (const unit of names) await on(machine, 'systemctl is-active --quiet "$1"', `${unit}.service`);
    return true;
  });
  return machine;
}
