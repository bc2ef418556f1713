"""Counts, tells its journal of each step, and has Unix sockets whose other ends are elsewhere: of one that it has called,
of one that has called it, and of a log. FOLDER: keeps what it knows."""

import json
import os
import select
import socket
import sys
import time

folder = sys.argv[1]
listening = socket.socket(socket.AF_UNIX)
listening.bind('/var/run/logged/door.sock')
listening.listen()
called = socket.socket(socket.AF_UNIX)
called.connect('/run/elsewhere.sock')
late = socket.socket(socket.AF_UNIX)
late.connect('/run/elsewhere.sock')
log = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
log.connect('/run/systemd/journal/dev-log')
own, other = socket.socketpair()
others = [listening, called, own]
state = {'count': 0, 'callers': 0, 'lost': [], 'pair': 0, 'late': ''}

while True:
    ready, _, _ = select.select(others, [], [], 0.05)
    for one in ready:
        if one is listening:
            others.append(listening.accept()[0])
            state['callers'] += 1
        elif not (got := one.recv(64)):
            state['lost'].append('called' if one is called else 'caller')
            others.remove(one)
            # What was sent to it before it lost its other end has waited to be read.
            while got := late.recv(64):
                state['late'] += got.decode()
        elif one is own:
            state['pair'] += len(got)
    try:
        log.send(b'<14>logged: at work')
    except OSError:
        if 'log' not in state['lost']:
            state['lost'].append('log')
    other.send(b'x')
    state['count'] += 1
    print('step', state['count'], flush=True)
    with open(folder + '/state.new', 'w') as file:
        json.dump(state, file)
    os.rename(folder + '/state.new', folder + '/state')
