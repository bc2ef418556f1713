# Counts, in a folder and in a Redis:  counter.py FOLDER PORT
# A step is done once Redis has acknowledged it; then its number is written down. What fails is said and done again.
import os, socket, sys, time

folder, port = sys.argv[1], int(sys.argv[2])
count = os.open(folder + '/count', os.O_RDWR | os.O_CREAT)
refused = os.open(folder + '/refused', os.O_RDWR | os.O_CREAT)
step, failures = 0, 0
while True:
    try:
        redis = socket.create_connection(('127.0.0.1', port), 5)
        while True:
            redis.sendall(b'INCR steps\r\n')
            answer = redis.recv(100)
            if answer[:1] != b':':
                raise OSError(answer)
            step += 1
            if int(answer[1:]) != step:
                raise SystemExit('a step was lost or done twice')
            os.pwrite(count, b'%d\n' % step, 0)
            time.sleep(0.002)
    except OSError:
        failures += 1
        os.pwrite(refused, b'%d\n' % failures, 0)
        time.sleep(0.02)
