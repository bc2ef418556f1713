import type { Drift } from '../drift.ts';
import { byCall, byScript, type ProcessTwin, words } from './twin.ts';

/** Numbers of system calls (x86-64, arch/x86/entry/syscalls/syscall_64.tbl). */
const CALL = {
  write: 1,
  close: 3,
  lseek: 8,
  mprotect: 10,
  munmap: 11,
  rt_sigaction: 13,
  rt_sigprocmask: 14,
  setitimer: 38,
  listen: 50,
  setsockopt: 54,
  exit: 60,
  fcntl: 72,
  chdir: 80,
  umask: 95,
  setgroups: 116,
  prctl: 157,
  timer_delete: 226,
  epoll_ctl: 233,
  timerfd_settime: 286,
} as const;

const of = (rest: string): RegExp => new RegExp(`^process/\\d+/${rest}$`);
const OPEN = of('open/\\d+');
const MEMORY = of('memory/[0-9a-f]+');
const THREAD = of('thread/\\d+');

const MEMORY_DRIFTS: readonly Drift<ProcessTwin>[] = [
  byScript(
    'a byte of memory',
    [MEMORY],
    `python3 -c 'import sys
with open("/proc/%s/mem" % sys.argv[1], "r+b", buffering=0) as memory:
    memory.seek(int(sys.argv[2]) + 100000)
    memory.write(b"!")' "$pid" "$1"`,
  ),
  byScript(
    'a byte of its environment',
    [MEMORY],
    `python3 -c 'import sys
at = int(open("/proc/%s/stat" % sys.argv[1]).read().split(") ")[1].split()[47])
with open("/proc/%s/mem" % sys.argv[1], "r+b", buffering=0) as memory:
    memory.seek(at)
    memory.write(b"!")' "$pid"`,
  ),
  byCall('rights of a mapping', [MEMORY], ({ address }) => [CALL.mprotect, address, 1 << 20, 1]),
  byCall('a page less', [MEMORY], ({ address }) => [CALL.munmap, address + (1 << 20) - 4096, 4096]),
];

const KERNEL_DRIFTS: readonly Drift<ProcessTwin>[] = [
  byCall('a thread less', [of('thread/\\d+'), /^process\/\d+$/], () => [CALL.exit, 0], {
    thread: 2,
    besides: MEMORY,
  }),
  byScript('how nice it is', [THREAD], 'renice -n 5 -p "$pid" > /dev/null'),
  byScript('how it is scheduled', [THREAD], 'chrt --batch -p 0 "$pid"'),
  byScript('how many files it may open', [of('limits')], 'prlimit --pid "$pid" --nofile=77:77'),
  byScript(
    'how soon it is killed when memory is short',
    [of('program')],
    'echo 500 > "/proc/$pid/oom_score_adj"',
  ),
  byCall('whether it may be looked into', [of('program')], () => [CALL.prctl, 4, 0]),
  byCall('its mask of modes', [of('umask')], () => [CALL.umask, 0o77]),
  byCall('its folder', [of('folder')], () => [CALL.chdir, Buffer.from('/\0')]),
  byCall('what it does at a signal', [of('signals')], () => [CALL.rt_sigaction, 10, words(1, 0, 0, 0), 0, 8]),
  byCall('which signals wait', [THREAD], () => [CALL.rt_sigprocmask, 0, words(1 << 11), 0, 8]),
  byCall('its groups', [of('credentials')], () => [CALL.setgroups, 1, Buffer.from([7, 0, 0, 0])]),
  byCall('a capability less', [of('credentials')], () => [CALL.prctl, 24, 25]),
  byCall("a timer's period", [of('timer/real')], () => [CALL.setitimer, 0, words(4001, 0, 4000, 0), 0]),
  byCall('a timer less', [of('timer/real')], () => [CALL.setitimer, 0, words(0, 0, 0, 0), 0]),
  byCall('a POSIX timer less', [of('timer/\\d+')], () => [CALL.timer_delete, 0]),
  byScript('a processor that it may not run on', [], 'taskset -p -c 0 "$pid" > /dev/null', {
    unseen: 'which processors there are is the machine’s: CRIU does not keep it',
  }),
  byScript('a setting of its kernel', [], 'nsenter -t "$pid" -n sysctl -q -w net.core.somaxconn=77', {
    unseen: 'sysctls are the host’s, and those of a network namespace are made anew with it',
  }),
  byScript('that it was stopped and went on', [], 'kill -STOP "$pid"; sleep 0.1; kill -CONT "$pid"', {
    harmless: true,
  }),
];

const FILE_DRIFTS: readonly Drift<ProcessTwin>[] = [
  byCall('where it is in an open file', [OPEN], ({ data }) => [CALL.lseek, data, 501, 0]),
  byCall('flags of an open file', [OPEN], ({ data }) => [CALL.fcntl, data, 4, 0o2000]),
  byCall('whether an open file is passed on', [OPEN], ({ data }) => [CALL.fcntl, data, 2, 0]),
  byCall('an open file less', [OPEN], ({ data }) => [CALL.close, data]),
  byCall('a listening socket less', [OPEN], ({ door }) => [CALL.close, door]),
  byCall('how many may wait at a listening socket', [OPEN], ({ door }) => [CALL.listen, door, 9]),
  byCall('a counter', [OPEN], ({ counter }) => [CALL.write, counter, words(1), 8]),
  byCall("a timer descriptor's period", [OPEN], ({ ticking }) => [
    CALL.timerfd_settime,
    ticking,
    0,
    words(3601, 0, 3600, 0),
    0,
  ]),
  byCall('what is waited for', [OPEN], ({ poll, other }) => [CALL.epoll_ctl, poll, 2, other, 0]),
  byCall('a byte under way in a socket', [OPEN], ({ one }) => [CALL.write, one, Buffer.from('x'), 1]),
  byCall(
    'an option of a socket',
    [],
    // SOL_SOCKET, SO_KEEPALIVE.
    ({ door }) => [CALL.setsockopt, door, 1, 9, Buffer.from([1, 0, 0, 0]), 4],
    { unseen: 'options of sockets are restored by CRIU, and not compared' },
  ),
  byScript(
    'a byte of a file that belongs to it',
    [/^file.*\/data$/],
    'printf X | dd of="/proc/$pid/root/srv/still/data" bs=1 seek=7 conv=notrunc status=none',
  ),
];

export const PROCESS_DRIFTS: readonly Drift<ProcessTwin>[] = [
  ...MEMORY_DRIFTS,
  ...KERNEL_DRIFTS,
  ...FILE_DRIFTS,
];
