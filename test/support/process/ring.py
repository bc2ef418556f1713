# Keeps a ring of numbers in memory and a log in a folder:  ring.py FOLDER
# It is asked by datagrams, so that nobody is connected to it:  add, fork or look.
import ctypes, json, mmap, os, socket, sys

folder = sys.argv[1]
# Nobody's neighbour: no other memory has all three rights.
rights = mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC
region = mmap.mmap(-1, 1 << 16, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, prot=rights)
region[0:1] = b'r'
ring, count = [0] * 10, 0
log = open(folder + '/log', 'w')
with open(folder + '/address', 'w') as file:
    file.write(str(ctypes.addressof(ctypes.c_char.from_buffer(region))))
door = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
door.bind(('127.0.0.1', 7500))
while True:
    word, guest = door.recvfrom(100)
    if word == b'add':
        count += 1
        log.write(f'{count}\n')
        log.flush()
        ring[count % 10] = count
    if word == b'fork':
        child = os.fork()
        if child == 0:
            os._exit(0)
        os.waitpid(child, 0)
    door.sendto(json.dumps({'count': count, 'ring': ring}).encode(), guest)
