import { describe, expect, test } from '@jest/globals';
import { FOLDER_MARK, portableArguments } from './arguments.ts';

const MACHINE = 'pc-q35-11.1';

function portable(line: string, disks: readonly string[] = []) {
  return portableArguments(['/usr/bin/qemu-system-x86_64', ...line.split(' ')], '/srv/vm', MACHINE, disks);
}

describe('a command line made portable', () => {
  test('pins the machine, under whatever name it was given', () => {
    for (const [line, pinned] of [
      ['-machine q35', MACHINE],
      ['-M q35,accel=tcg', `${MACHINE},accel=tcg`],
      ['-machine type=q35,usb=off', `type=${MACHINE},usb=off`],
      ['-machine accel=kvm', `${MACHINE},accel=kvm`],
    ] as const)
      expect(portable(line).argv.at(-1)).toBe(pinned);
    expect(portable('-m 128').argv.slice(-2)).toEqual(['-machine', MACHINE]);
  });

  test('puts disks, kernel, sockets and logs into the folder, each under a name of its own', () => {
    const { argv, disks, files, problems } = portable(
      '-kernel vmlinuz -drive file=a/disk.qcow2,if=virtio,format=qcow2 -hda /b/disk.qcow2 -serial file:/run/x/serial -chardev socket,id=c,path=/run/x/c.sock,server=on',
      ['/srv/vm/a/disk.qcow2', '/b/disk.qcow2'],
    );
    expect(problems).toEqual([]);
    expect([...disks]).toEqual([
      ['/srv/vm/a/disk.qcow2', 'disk.qcow2'],
      ['/b/disk.qcow2', '2-disk.qcow2'],
    ]);
    expect([...files]).toEqual([['/srv/vm/vmlinuz', 'vmlinuz']]);
    expect(argv).toEqual([
      'qemu-system-x86_64',
      ...['-kernel', `${FOLDER_MARK}/vmlinuz`],
      ...['-drive', `file=${FOLDER_MARK}/disk.qcow2,if=virtio,format=qcow2`],
      ...['-hda', `${FOLDER_MARK}/2-disk.qcow2`],
      ...['-serial', `file:${FOLDER_MARK}/serial`],
      ...['-chardev', `socket,id=c,path=${FOLDER_MARK}/c.sock,server=on`],
      ...['-machine', MACHINE],
    ]);
  });

  test('understands JSON, and drops backing files and devices of the host, as a disk comes back as one file', () => {
    const node = {
      ...{ driver: 'qcow2', 'node-name': 'root', backing: { driver: 'file', filename: '/base.raw' } },
      file: { driver: 'host_device', filename: '/dev/vg/root' },
    };
    const { argv, disks } = portable(`-blockdev ${JSON.stringify(node)}`, ['/dev/vg/root']);
    expect(JSON.parse(argv[2]!)).toEqual({
      ...{ driver: 'qcow2', 'node-name': 'root' },
      file: { driver: 'file', filename: `${FOLDER_MARK}/root` },
    });
    expect([...disks]).toEqual([['/dev/vg/root', 'root']]);
  });

  test('leaves out what the target supplies itself, and ends what would need a terminal', () => {
    const { argv } = portable(
      '-qmp unix:/run/q.sock,server=on -S -daemonize -pidfile /run/p -incoming defer -nographic -serial mon:stdio -enable-kvm -m 1G',
    );
    expect(argv).toEqual([
      'qemu-system-x86_64',
      ...['-display', 'none', '-serial', 'null', '-enable-kvm', '-m', '1G', '-machine', MACHINE],
    ]);
  });

  test.each(['-snapshot', '-readconfig /etc/vm.cfg', '-object secret,id=s,data=letmein'])(
    'refuses %s',
    (line) => {
      const { problems } = portable(line);
      expect(problems.map(({ code }) => code)).toEqual(['vm.not-portable']);
      expect(JSON.stringify(problems.map(({ message, hint }) => [message, hint]))).not.toContain('letmein');
    },
  );
});
