# A process that has one of many things and does nothing:  still.py FOLDER
# It writes into FOLDER/about where things are that others may wish to change.
import ctypes, json, mmap, os, select, signal, socket, struct, sys, threading

folder = sys.argv[1]
libc = ctypes.CDLL(None, use_errno=True)
os.chdir(folder)
with open('data', 'w') as made:
    made.write('0123456789' * 100)

data = os.open('data', os.O_RDWR)
os.lseek(data, 500, os.SEEK_SET)
door = socket.socket()
door.bind(('127.0.0.1', 7600))
door.listen(7)
one, other = socket.socketpair()
counter = os.eventfd(3)
poll = select.epoll()
poll.register(counter, select.EPOLLIN)
poll.register(other, select.EPOLLIN)


class Spec(ctypes.Structure):
    _fields_ = [(name, ctypes.c_long) for name in ('period_s', 'period_ns', 'due_s', 'due_ns')]


ticking = libc.timerfd_create(1, 0)
libc.timerfd_settime(ticking, 0, ctypes.byref(Spec(3600, 0, 3600, 0)), None)
signal.signal(signal.SIGUSR1, lambda *_: None)
signal.signal(signal.SIGALRM, lambda *_: None)
signal.setitimer(signal.ITIMER_REAL, 4000, 4000)
posix = ctypes.c_void_p()
libc.timer_create(1, None, ctypes.byref(posix))
libc.timer_settime(posix, 0, ctypes.byref(Spec(5000, 0, 5000, 0)), None)
# Nobody's neighbour: no other memory has all three rights.
rights = mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC
memory = mmap.mmap(-1, 1 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, prot=rights)
memory.write(bytes(range(256)) * 4096)
address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
lock = threading.Lock()
lock.acquire()
for _ in range(2):
    threading.Thread(target=lock.acquire, daemon=True).start()
with open('about', 'w') as about:
    json.dump({'data': data, 'door': door.fileno(), 'counter': counter, 'poll': poll.fileno(),
               'ticking': ticking, 'one': one.fileno(), 'other': other.fileno(), 'address': address}, about)
while True:
    select.select([], [], [])
