import type { Drift } from '../drift.ts';
import { byConsole, byScript, type VmTwin } from './twin.ts';

/** Where QEMU has the guest's 128 MiB is found by their size. AT is an offset in them. */
const writeMemory = (at: number): string => `python3 -c 'import sys
for line in open("/proc/%s/maps" % sys.argv[1]):
    begin, end = (int(part, 16) for part in line.split()[0].split("-"))
    if end - begin == 128 << 20:
        with open("/proc/%s/mem" % sys.argv[1], "r+b", buffering=0) as memory:
            memory.seek(begin + ${at})
            byte = memory.read(1)[0]
            memory.seek(begin + ${at})
            memory.write(bytes([byte ^ 1]))
        sys.exit()
sys.exit("no memory of the guest")' "$pid"`;

const writeDisk = (at: number): string =>
  `printf '!' | dd of="$(find . -size 64M -name '*disk*')" bs=1 seek=${at} conv=notrunc status=none`;

/** Ports of a PC (https://wiki.osdev.org/I/O_Ports): the console's `o` writes to one. */
export const VM_DRIFTS: readonly Drift<VmTwin>[] = [
  byScript('a bit of memory', [/^memory\/[^/]*ram[^/]*\/[0-9a-f]+$/], writeMemory(48 << 20)),
  byScript(
    'a bit in the last page of memory',
    [/^memory\/[^/]*ram[^/]*\/[0-9a-f]+$/],
    writeMemory((128 << 20) - 1),
  ),
  byScript('a byte of the disk', [/^disk\/[^/]+\/[0-9a-f]+$/], writeDisk(20 << 20)),
  byScript('the last byte of the disk', [/^disk\/[^/]+\/[0-9a-f]+$/], writeDisk((64 << 20) - 1)),
  byConsole('a byte that the clock keeps', [/^device\/mc146818rtc\//], 'o /b 0x70 0x40', 'o /b 0x71 0x55'),
  byConsole('which interrupts are let through', [/^device\/i8259\//], 'o /b 0x21 0xfe'),
  byConsole('a register of the serial port', [/^device\/.*serial/], 'o /b 0x3ff 0x55'),
];
