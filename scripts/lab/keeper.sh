#!/bin/sh
# Keeps one lab: pid 1 of the process namespace that all of it lives in, so that the kernel ends the lab with it.
#   keeper.sh ROOT FOLDER CGROUP FOREVER|WHILE-INPUT SUBNETS HOSTS
#   ROOT      the hosts' root file system, read only here
#   FOLDER    the lab's own: ssh/ (keys), NAME.img (each host's disk), log
#   CGROUP    what the lab's control groups are called
#   SUBNETS   "10.83.1 10.83.2 …": the first that no other lab has
#   HOSTS     "cloud=11 sovereign=12": names, and their addresses in the subnet
# Descriptor 9 is the machine's network namespace. Prints `ready SUBNET` once the hosts are up.
set -eu
root=$1 folder=$2 cgroup=$3 until=$4 subnets=$5 hosts=$6
here=$(dirname "$0")
exec 8</proc/self/ns/net
machine() { nsenter --net=/proc/self/fd/9 "$@"; }

# The root file system stays for as long as a lab stands on it.
exec 7<"$root"
flock -s 7

mount -t proc proc /proc
# Named network namespaces and mount points of the lab's; the machine sees none of it.
mount -t tmpfs -o mode=755 lab /run
mkdir -p /run/netns /run/cgroup /run/hosts
mount -t cgroup2 cgroup2 /run/cgroup

# A link of that name on the machine claims a subnet: making it fails where another lab was first.
link='' subnet=''
for subnet in $subnets; do
  link="lab$(echo "$subnet" | tr . -)"
  machine ip link add "$link" type veth peer name machine netns /proc/self/fd/8 2>/dev/null && break
  link=''
done
[ -n "$link" ] || { echo "every subnet of $subnets is taken" >&2; exit 1; }
echo "$link" > "$folder/link"
machine ip address add "$subnet.1/24" dev "$link"
machine ip link set "$link" up
ip link set lo up
ip link add bridge type bridge
ip link set bridge up
ip link set machine master bridge up

names() {
  echo '127.0.0.1 localhost'
  echo "$subnet.1 machine"
  for entry in $hosts; do echo "$subnet.${entry#*=} ${entry%=*}"; done
}
names > /run/names

# For mkfs, which runs in the root file system: the machine need not have it. An overlay shows no mounts below it.
mount -t proc proc "$root/proc"
# The disk has copy-on-write snapshots (btrfs): the host's changes to its root file system, and /srv for tests.
disk() {
  truncate -s 24G "$folder/$1.img"
  mount --bind "$folder" "$root/mnt"
  chroot "$root" mkfs.btrfs -q "/mnt/$1.img"
  umount "$root/mnt"
  mkdir -p "/run/hosts/$1/disk" "/run/hosts/$1/root"
  mount -o loop,noatime "$folder/$1.img" "/run/hosts/$1/disk"
  mkdir "/run/hosts/$1/disk/changes" "/run/hosts/$1/disk/work" "/run/hosts/$1/disk/srv"
  mount -t overlay -o "lowerdir=$root,upperdir=/run/hosts/$1/disk/changes,workdir=/run/hosts/$1/disk/work,xino=on" \
    "$1" "/run/hosts/$1/root"
}

for entry in $hosts; do
  name=${entry%=*}
  disk "$name"
  ip netns add "$name"
  ip link add "$name" type veth peer name eth0 netns "$name"
  ip link set "$name" master bridge up
  ip -n "$name" link set lo up
  ip -n "$name" address add "$subnet.${entry#*=}/24" dev eth0
  ip -n "$name" link set eth0 up
  mkdir "/run/cgroup/$cgroup-$name"
  (
    echo 0 > "/run/cgroup/$cgroup-$name/cgroup.procs"
    exec nsenter --net="/run/netns/$name" unshare --mount --pid --uts --ipc --cgroup --propagation private --fork \
      sh "$here/host.sh" "$name" "/run/hosts/$name" "$folder/ssh" /run/names
  ) 7<&- 8<&- 9<&- <&- >> "$folder/log" 2>&1 &
done

echo "ready $subnet"
exec >&- 8<&- 9<&-
# Whoever started the lab for himself holds the other end of our input: when he is gone, however he ended, so is it.
[ "$until" = FOREVER ] || { while read -r _; do :; done; exit 0; }
exec 0<&-
wait
