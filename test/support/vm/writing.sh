# The program of a guest that writes to a file system on its disk, and whose agent answers at the channel of that name.
# With each beat it adds a number that is one greater to a file, then says TICK and the number on its serial port;
# while its file system is frozen, it waits in the midst of a beat. At its start it says JOURNAL where the file system
# had a journal to replay. Other channels: where there is "thaw", it thaws its file system all the time; the agent at
# "unable" may not freeze, and the one at "without" sees no file system.
busybox mkdir -p /sys /data /run /run/unable /run/without
mount -t sysfs s /sys
mount -t ext4 /dev/vda /data
for port in /sys/class/virtio-ports/*; do
  case $(cat "$port/name") in
    org.qemu.guest_agent.0) qemu-ga -m virtio-serial -p "/dev/${port##*/}" -t /run > /dev/ttyS0 2>&1 & ;;
    unable) qemu-ga -m virtio-serial -p "/dev/${port##*/}" -t /run/unable -b guest-fsfreeze-freeze > /dev/ttyS0 2>&1 & ;;
    without)
      busybox unshare -m busybox sh -c 'busybox umount /data; exec qemu-ga -m virtio-serial -p "$1" -t /run/without' \
        without "/dev/${port##*/}" > /dev/ttyS0 2>&1 &
      ;;
    thaw) while sleep 0.05; do busybox fsfreeze --unfreeze /data; done > /dev/null 2>&1 & ;;
  esac
done
if busybox dmesg | busybox grep -q 'EXT4.*recovery complete'; then echo JOURNAL > /dev/ttyS0; fi
n=0
if [ -e /data/count ]; then n=$(busybox tail -n 1 /data/count); fi
echo "BOOT $n" > /dev/ttyS0
while :; do
  n=$((n + 1))
  echo $n >> /data/count
  echo "TICK $n" > /dev/ttyS0
  sleep 0.05
done
