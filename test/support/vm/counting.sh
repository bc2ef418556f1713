# The program of a guest that counts in memory and on its disk: with each beat it reads the disk's last number, past
# every cache, and says TORN when that is not the one in memory; then it writes the next one, to the first sector and to
# one of a log, and says TICK and the number on its serial port.
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
