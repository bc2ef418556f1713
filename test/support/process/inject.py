# Has a thread of another process make one system call:  inject.py PID THREAD NUMBER [ARGUMENT ...]
# THREAD is the thread's place among those of the process, by number; an argument is a number, or @HEX: bytes that are put
# below the thread's stack for the time of the call, and whose address is handed over. Prints what the call returned.
import ctypes, os, re, sys

ATTACH, DETACH, GET, SET, STEP, EXITS = 16, 17, 12, 13, 9, 60
libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
libc.ptrace.restype = ctypes.c_long
NAMES = ('r15 r14 r13 r12 rbp rbx r11 r10 r9 r8 rax rcx rdx rsi rdi orig_rax rip cs eflags rsp ss fs_base gs_base ds es fs gs').split()


class Registers(ctypes.Structure):
    _fields_ = [(name, ctypes.c_ulonglong) for name in NAMES]


def trace(request, thread, data=None):
    if libc.ptrace(request, thread, None, data) < 0:
        raise OSError(ctypes.get_errno(), 'ptrace %d of %d' % (request, thread))


def instruction(pid, memory):
    """Where the process has a `syscall` instruction (0f 05): in its C library or its vdso."""
    for line in open('/proc/%d/maps' % pid):
        area, mode, name = line.split()[0], line.split()[1], line.split()[-1]
        if 'x' not in mode or not re.search(r'libc|\[vdso\]', name):
            continue
        begin, end = (int(part, 16) for part in area.split('-'))
        memory.seek(begin)
        at = memory.read(end - begin).find(b'\x0f\x05')
        if at >= 0:
            return begin + at
    raise SystemExit('no system call instruction')


def main(pid, index, number, arguments):
    thread = sorted(int(name) for name in os.listdir('/proc/%d/task' % pid))[index]
    with open('/proc/%d/mem' % pid, 'r+b', buffering=0) as memory:
        at = instruction(pid, memory)
        trace(ATTACH, thread)
        os.waitpid(thread, 0x40000000)
        before, call = Registers(), Registers()
        trace(GET, thread, ctypes.addressof(before))
        ctypes.memmove(ctypes.addressof(call), ctypes.addressof(before), ctypes.sizeof(call))
        values, place, kept = [], before.rsp - 4096, []
        for argument in arguments:
            if not argument.startswith('@'):
                values.append(int(argument, 0) % (1 << 64))
                continue
            data = bytes.fromhex(argument[1:])
            memory.seek(place)
            kept.append((place, memory.read(len(data))))
            memory.seek(place)
            memory.write(data)
            values.append(place)
            place += (len(data) + 15) // 16 * 16
        call.rax, call.orig_rax, call.rip = number, 2 ** 64 - 1, at
        for name, value in zip(('rdi', 'rsi', 'rdx', 'r10', 'r8', 'r9'), values):
            setattr(call, name, value)
        trace(SET, thread, ctypes.addressof(call))
        trace(STEP, thread)
        _, status = os.waitpid(thread, 0x40000000)
        if not os.WIFSTOPPED(status):
            return 'gone'
        trace(GET, thread, ctypes.addressof(call))
        for where, data in kept:
            memory.seek(where)
            memory.write(data)
        trace(SET, thread, ctypes.addressof(before))
        trace(DETACH, thread)
        result = ctypes.c_longlong(call.rax).value
        if result < 0 and number != EXITS:
            raise SystemExit('system call %d: %s' % (number, os.strerror(-result)))
        return result


print(main(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3], 0), sys.argv[4:]))
