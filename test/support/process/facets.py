# A process with one thing of every kind that is hard to keep:  facets.py FACET FOLDER
# It makes that thing, and then tries it for everybody who connects to 127.0.0.1:7200: "good" or what is wrong.
import array, ctypes, fcntl, hashlib, mmap, os, select, signal, socket, struct, sys, termios, threading, time

facet, folder = sys.argv[1:3]
libc = ctypes.CDLL(None, use_errno=True)


def expect(is_so, what):
    if not is_so:
        raise AssertionError(what)


def deleted_file():
    path = folder + '/deleted'
    content = os.urandom(1 << 20) * 16
    digest = hashlib.sha256(content).hexdigest()
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT)
    os.write(descriptor, content)
    os.unlink(path)
    def check():
        expect(os.fstat(descriptor).st_nlink == 0, 'the file has a name')
        expect(hashlib.sha256(os.pread(descriptor, len(content), 0)).hexdigest() == digest, 'the content differs')
        expect(os.lseek(descriptor, 0, os.SEEK_CUR) == len(content), 'the position differs')
        expect(os.pwrite(descriptor, b'x', len(content)) == 1, 'it cannot be written')
    return check


def socket_pair():
    one, other = socket.socketpair()
    one.send(b'under way')
    waiting = [b'under way']
    def check():
        for sent in waiting:
            expect(other.recv(100) == sent, 'what was under way is lost')
        other.send(b'back')
        expect(one.recv(100) == b'back', 'the other way is closed')
        one.send(b'under way')
    return check


def memfd():
    descriptor = os.memfd_create('facet')
    os.ftruncate(descriptor, 1 << 20)
    view = mmap.mmap(descriptor, 1 << 20)
    token = os.urandom(64)
    view[4096:4160] = token
    def check():
        expect(os.pread(descriptor, 64, 4096) == token, 'the content differs')
        view[0:1] = b'n'
        expect(os.pread(descriptor, 1, 0) == b'n', 'the mapping shows another file')
    return check


def epoll():
    poll = select.epoll()
    counter = os.eventfd(0, os.EFD_NONBLOCK)
    one, other = socket.socketpair()
    poll.register(counter, select.EPOLLIN)
    poll.register(other, select.EPOLLIN | select.EPOLLET)
    def check():
        expect(poll.poll(0) == [], 'it is ready before anything is')
        os.eventfd_write(counter, 3)
        one.send(b'x')
        expect({fd for fd, _ in poll.poll(1)} == {counter, other.fileno()}, 'not both are ready')
        expect(os.eventfd_read(counter) == 3 and other.recv(9) == b'x', 'what was sent differs')
    return check


def timers():
    counted = {'alarm': 0, 'posix': 0}
    signal.signal(signal.SIGALRM, lambda *_: counted.update(alarm=counted['alarm'] + 1))
    signal.signal(signal.SIGRTMIN, lambda *_: counted.update(posix=counted['posix'] + 1))
    signal.setitimer(signal.ITIMER_REAL, 0.02, 0.02)
    descriptor = os.timerfd_create(time.CLOCK_MONOTONIC)
    os.timerfd_settime(descriptor, initial=0.02, interval=0.02)
    event = (ctypes.c_byte * 64)()
    struct.pack_into('Pii', event, 0, 0, signal.SIGRTMIN, 0)
    timer = ctypes.c_void_p()
    expect(libc.timer_create(1, event, ctypes.byref(timer)) == 0, 'no timer')
    setting = struct.pack('llll', 0, 20_000_000, 0, 20_000_000)
    expect(libc.timer_settime(timer, 0, setting, None) == 0, 'it cannot be set')
    def check():
        before, now = dict(counted), time.monotonic()
        os.read(descriptor, 8)
        expect(struct.unpack('Q', os.read(descriptor, 8))[0] >= 1, 'the descriptor does not tick')
        while time.monotonic() < now + 2 and min(counted[name] - before[name] for name in counted) < 3:
            time.sleep(0.01)
        for name in counted:
            expect(counted[name] - before[name] >= 3, name + ' does not tick')
    return check


def inotify():
    watched = folder + '/watched'
    os.makedirs(watched, exist_ok=True)
    descriptor = libc.inotify_init1(os.O_NONBLOCK)
    expect(libc.inotify_add_watch(descriptor, watched.encode(), 0x100) > 0, 'no watch')
    serial = [0]
    def check():
        serial[0] += 1
        open(f'{watched}/{os.getpid()}-{serial[0]}', 'w').close()
        events = os.read(descriptor, 4096)
        expect(f'-{serial[0]}'.encode() in events, 'the new file was not told of')
    return check


def terminal():
    master, slave = os.openpty()
    name = os.ttyname(slave)
    settings = termios.tcgetattr(slave)
    settings[3] &= ~(termios.ECHO | termios.ICANON)
    termios.tcsetattr(slave, termios.TCSANOW, settings)
    fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack('HHHH', 33, 99, 0, 0))
    def check():
        expect(os.ttyname(slave) == name, 'it has another name')
        expect(termios.tcgetattr(slave)[3] == settings[3], 'its settings differ')
        size = fcntl.ioctl(slave, termios.TIOCGWINSZ, bytes(8))
        expect(struct.unpack('HHHH', size)[:2] == (33, 99), 'its size differs')
        os.write(master, b'typed')
        expect(os.read(slave, 99) == b'typed', 'what is typed does not arrive')
        os.write(slave, b'shown')
        expect(os.read(master, 99) == b'shown', 'what is written is not shown')
    return check


def backlog():
    server = socket.create_server(('127.0.0.1', 7201), backlog=8)
    def check():
        server.settimeout(5)
        with socket.create_connection(('127.0.0.1', 7201), timeout=5) as client:
            client.send(b'new')
            for _ in range(9):
                accepted = server.accept()[0]
                accepted.settimeout(0.5)
                try:
                    if accepted.recv(9) == b'new':
                        return
                except TimeoutError:
                    pass
        raise AssertionError('nobody new is accepted')
    return check


def threads():
    counts = [0] * 200
    def work(index):
        while True:
            counts[index] += 1
            time.sleep(0.05)
    for index in range(200):
        threading.Thread(target=work, args=(index,), daemon=True).start()
    def check():
        expect(threading.active_count() >= 201, 'threads are missing')
        before, until = list(counts), time.monotonic() + 10
        while time.monotonic() < until and any(now == then for now, then in zip(counts, before)):
            time.sleep(0.05)
        expect(all(now > then for now, then in zip(counts, before)), 'a thread stands still')
    return check


def other_user():
    expect(os.getuid() != 0, 'this is root')
    token, user, groups = os.urandom(64), os.getuid(), os.getgroups()
    digest = hashlib.sha256(token).digest()
    def check():
        expect(os.getuid() == user and os.getgroups() == groups, 'it is somebody else')
        expect(hashlib.sha256(token).digest() == digest, 'its memory differs')
        open(f'{folder}/by-{user}', 'w').close()
    return check


def shared_memory():
    libc.shmat.restype = ctypes.c_void_p
    segment = libc.shmget(0x57A515, 1 << 20, 0o1600)
    address = libc.shmat(segment, None, 0)
    expect(address != ctypes.c_void_p(-1).value, 'no System V memory')
    posix = os.open('/dev/shm/facet', os.O_RDWR | os.O_CREAT)
    os.ftruncate(posix, 1 << 20)
    view = mmap.mmap(posix, 1 << 20)
    token = os.urandom(64)
    ctypes.memmove(address, token, 64)
    view[0:64] = token
    asked, answered = os.pipe(), os.pipe()
    if os.fork() == 0:
        while os.read(asked[0], 1):
            same = ctypes.string_at(address, 64) == view[0:64] == token
            ctypes.memmove(address + 4096, b'from the child', 14)
            os.write(answered[1], b'y' if same else b'n')
        os._exit(0)
    def check():
        os.write(asked[1], b'?')
        expect(os.read(answered[0], 1) == b'y', 'the child sees something else')
        expect(ctypes.string_at(address + 4096, 14) == b'from the child', 'what the child writes is not shared')
        expect(libc.shmget(0x57A515, 1 << 20, 0o600) == segment, 'the key names another segment')
        with open('/dev/shm/facet', 'rb') as file:
            expect(file.read(64) == token, 'the name shows another file')
    return check


def queues():
    os.mkfifo('/run/facet.fifo')
    named = os.open('/run/facet.fifo', os.O_RDWR)
    os.write(named, b'in the fifo')
    reading, writing = os.pipe()
    os.write(writing, b'in the pipe')
    lock = os.open(folder + '/lock', os.O_RDWR | os.O_CREAT)
    fcntl.flock(lock, fcntl.LOCK_EX)
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    bound.bind('/run/facet.sock')
    def check():
        expect(os.read(named, 99) == b'in the fifo', 'the fifo lost what was in it')
        os.write(named, b'in the fifo')
        expect(os.read(reading, 99) == b'in the pipe', 'the pipe lost what was in it')
        os.write(writing, b'in the pipe')
        try:
            fcntl.flock(os.open(folder + '/lock', os.O_RDWR), fcntl.LOCK_EX | fcntl.LOCK_NB)
            raise AssertionError('the lock is free')
        except BlockingIOError:
            pass
        client = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        client.sendto(b'by name', '/run/facet.sock')
        expect(bound.recv(99) == b'by name', 'the socket is not reached by its name')
    return check


check = globals()[facet]()
door = socket.create_server(('127.0.0.1', 7200))
while True:
    guest = door.accept()[0]
    try:
        check()
        guest.sendall(b'good')
    except Exception as error:
        guest.sendall(repr(error).encode())
    guest.close()
