/** What asks and judges the ring of `process/ring.py`, wherever it runs. */

/** WORD: asks the ring, and prints what it says. Connected, so that one that does not listen yet is an error at once. */
export const ASK_RING = `python3 -c 'import socket, sys
door = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
door.settimeout(20)
door.connect(("127.0.0.1", 7500))
door.send(sys.argv[1].encode())
print(door.recv(1000).decode())' "$1"`;

/** Adds again and again, and keeps the number of answers in a file. */
export const LOAD_RING = `
import socket, time
door, answers = socket.socket(socket.AF_INET, socket.SOCK_DGRAM), 0
while True:
    door.sendto(b'add', ('127.0.0.1', 7500))
    door.recv(1000)
    answers += 1
    with open('/run/answers', 'w') as file:
        file.write(str(answers))
    time.sleep(0.02)
`;

/** PID: writes into the region that the ring has for that, and prints the process's own number and where it is. */
export const MUTATE_RING = `python3 -c 'import sys
pid = sys.argv[1]
address = int(open(f"/proc/{pid}/root/srv/ring/address").read())
with open(f"/proc/{pid}/mem", "r+b", buffering=0) as memory:
    memory.seek(address + 100)
    memory.write(b"changed")
own = [line.split()[-1] for line in open(f"/proc/{pid}/status") if line.startswith("NSpid")][0]
print(f"process/{own}/memory/{address:016x}")' "$1"`;

/** Of what the ring told and the last line of its log: both tell of the same number of operations. */
export function ringFaults(told: string, logged: string): string[] {
  const { count, ring } = JSON.parse(told) as { count: number; ring: number[] };
  const expected = ring.map((_, index) => Math.max(0, count - ((((count - index) % 10) + 10) % 10)));
  const faults = ring.flatMap((value, index) =>
    value === expected[index] ? [] : [`ring ${index} is ${value} and not ${expected[index]}`],
  );
  return Number(logged) === count
    ? faults
    : [...faults, `the log is at ${logged} and the memory at ${count}`];
}

export function linesOf(text: string): string[] {
  return text.split('\n').filter((line) => line !== '');
}
