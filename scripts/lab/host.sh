#!/bin/sh
# Makes a machine of fresh namespaces, and becomes its pid 1.
#   host.sh NAME FOLDER SSH HOSTS
#   FOLDER  holds root/ (the file system) and disk/srv
#   SSH     the lab's keys: a host key and authorized_keys
#   HOSTS   the file of names and addresses
set -eu
name=$1 folder=$2 ssh=$3 hosts=$4
root=$folder/root
hostname "$name"

mount -t proc proc "$root/proc"
mount -t sysfs sysfs "$root/sys"
# The one hierarchy, from the host's own group down, as on a machine of today.
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
mknod -m 666 "$root/dev/null" c 1 3
mknod -m 666 "$root/dev/zero" c 1 5
mknod -m 666 "$root/dev/full" c 1 7
mknod -m 666 "$root/dev/random" c 1 8
mknod -m 666 "$root/dev/urandom" c 1 9
mknod -m 666 "$root/dev/tty" c 5 0
mknod -m 666 "$root/dev/fuse" c 10 229
mkdir "$root/dev/net" "$root/dev/pts" "$root/dev/shm" "$root/dev/mqueue"
mknod -m 666 "$root/dev/net/tun" c 10 200
mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts "$root/dev/pts"
mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
mount -t mqueue mqueue "$root/dev/mqueue"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
for descriptor in 0:stdin 1:stdout 2:stderr; do ln -s "fd/${descriptor%:*}" "$root/dev/${descriptor#*:}"; done
mount -t tmpfs -o mode=755 tmpfs "$root/run"
mkdir -p "$root/run/lock" "$root/run/sshd" "$root/run/postgresql" "$root/run/redis" "$root/run/mysqld"
chmod 1777 "$root/run/lock" "$root/run/postgresql" "$root/run/redis" "$root/run/mysqld"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
mount --bind "$folder/disk/srv" "$root/srv"

cp "$hosts" "$root/etc/hosts"
echo "$name" > "$root/etc/hostname"
: > "$root/etc/resolv.conf"
install -m 600 "$ssh/$name" "$root/etc/ssh/ssh_host_ed25519_key"
install -m 644 "$ssh/$name.pub" "$root/etc/ssh/ssh_host_ed25519_key.pub"
for home in "$root/root" "$root/home/deploy"; do
  mkdir -p -m 700 "$home/.ssh"
  install -m 600 "$ssh/authorized_keys" "$home/.ssh/authorized_keys"
done
chroot "$root" chown -R deploy:deploy /home/deploy

mkdir -p "$root/mnt/machine"
cd "$root"
pivot_root . mnt/machine
cd /
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8
unset OLDPWD
umount -l /mnt/machine
mount --make-rshared /
/usr/sbin/sshd -o PermitRootLogin=prohibit-password -o PasswordAuthentication=no -o UsePAM=no -o PrintMotd=no
exec </dev/null >/dev/null 2>&1
exec catatonit -P
