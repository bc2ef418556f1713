/** What a host of the lab runs, as Debian packages. A change makes a new root file system. */
export const SUITE = 'sid';

export const PACKAGES: readonly string[] = [
  // The machine itself.
  ...[
    'acl',
    'attr',
    'iproute2',
    'iputils-ping',
    'kmod',
    'mount',
    'nftables',
    'procps',
    'psmisc',
    'util-linux',
  ],
  ...['btrfs-progs', 'e2fsprogs', 'xfsprogs', 'cpio', 'zstd', 'socat', 'sudo', 'python3-minimal'],
  ...['openssh-server', 'openssh-client', 'catatonit'],
  // Databases and what speaks to them.
  ...['postgresql-18', 'redis-server', 'mariadb-server', 'mariadb-client', 'nodejs'],
  'default-jre-headless',
  // Processes and containers with their memory. CRIU before 4.2 fails on kernels of today.
  ...['criu', 'podman', 'crun', 'libcriu2', 'conmon', 'netavark', 'aardvark-dns', 'uidmap'],
  // Virtual machines in software, and a kernel and a shell for the small ones of tests.
  ...['qemu-system-x86', 'qemu-utils', 'qemu-guest-agent', 'linux-image-cloud-amd64', 'busybox-static'],
  // Instead of dracut, which would spend half a minute on a boot image that nobody boots.
  'tiny-initramfs',
  ...['libvirt-daemon', 'libvirt-daemon-driver-qemu', 'libvirt-daemon-log', 'libvirt-clients'],
  'libvirt-daemon-config-network',
];
