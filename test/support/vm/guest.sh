#!/bin/sh
# Makes a small VM's kernel and initial file system of what this host has (Debian's cloud kernel and busybox):
#   guest.sh FOLDER PROGRAM FILE...
# PROGRAM is the text of a shell script that the guest runs once its disk is there; the files are put where they are
# here, with the libraries that they are linked to.
set -eu
folder=$1 program=$2; shift 2
work=$(mktemp -d)
version=$(ls /lib/modules | head -n 1)
mkdir -p "$folder" "$work/bin" "$work/m" "$work/dev" "$work/proc"
cp "$(command -v busybox)" "$work/bin/busybox"
for applet in sh insmod mount sleep dd printf cat stty; do ln -s busybox "$work/bin/$applet"; done
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
. /program
INIT
chmod +x "$work/init"
printf %s "$program" > "$work/program"
for file; do
  cp -L --parents "$file" "$work"
  for library in $(ldd "$file" 2> /dev/null | grep -o '/[^ ]*'); do cp -L --parents "$library" "$work"; done
done
(cd "$work" && find . | busybox cpio -o -H newc 2>/dev/null | gzip -1) > "$folder/guest.cpio.gz"
cp "/boot/vmlinuz-$version" "$folder/vmlinuz"
rm -r "$work"
