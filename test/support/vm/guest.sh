#!/bin/sh
# Makes a small VM's kernel and initial file system of what this host has (Debian's cloud kernel and busybox):
#   guest.sh FOLDER
# The guest counts in memory and on its disk: with each beat it reads the disk's last number, past every cache, and says
# TORN when that is not the one in memory; then it writes the next one, to the first sector and to one of a log, and
# says TICK and the number on its serial port.
set -eu
folder=$1
work=$(mktemp -d)
version=$(ls /lib/modules | head -n 1)
mkdir -p "$folder" "$work/bin" "$work/m" "$work/dev" "$work/proc"
cp "$(command -v busybox)" "$work/bin/busybox"
for applet in sh insmod mount sleep dd printf cat; do ln -s busybox "$work/bin/$applet"; done
for module in virtio/virtio virtio/virtio_ring virtio/virtio_pci_legacy_dev virtio/virtio_pci_modern_dev \
  virtio/virtio_pci block/virtio_blk; do
  file=/lib/modules/$version/kernel/drivers/$module.ko
  if [ -e "$file" ]; then cp "$file" "$work/m/"; fi
  if [ -e "$file.xz" ]; then xz -dc "$file.xz" > "$work/m/${module##*/}.ko"; fi
  if [ -e "$file.zst" ]; then zstd -qdc "$file.zst" > "$work/m/${module##*/}.ko"; fi
done
cat > "$work/init" <<'INIT'
#!/bin/sh
mount -t devtmpfs d /dev
mount -t proc p /proc
for m in virtio virtio_ring virtio_pci_legacy_dev virtio_pci_modern_dev virtio_pci virtio_blk; do
  [ ! -e /m/$m.ko ] || insmod /m/$m.ko
done
until [ -b /dev/vda ]; do sleep 0.1; done
look() {
  dd if=/dev/vda bs=512 count=1 iflag=direct 2>/dev/null | {
    read -r x y
    case $x in '' | *[!0-9]*) echo 0 ;; *) echo $x ;; esac
  }
}
write() { printf '%-511s\n' "$1" | dd of=/dev/vda bs=512 count=1 seek=$2 oflag=direct conv=notrunc 2>/dev/null; }
n=$(look)
echo "BOOT $n" > /dev/ttyS0
while :; do
  d=$(look)
  [ "$d" = $n ] || echo "TORN memory=$n disk=$d" > /dev/ttyS0
  n=$((n + 1))
  write "$n sequence" 0
  write "$n log" $((2048 + n * 128 % 65536))
  echo "TICK $n" > /dev/ttyS0
  sleep 0.05
done
INIT
chmod +x "$work/init"
(cd "$work" && find . | busybox cpio -o -H newc 2>/dev/null | gzip -1) > "$folder/guest.cpio.gz"
cp "/boot/vmlinuz-$version" "$folder/vmlinuz"
rm -r "$work"
