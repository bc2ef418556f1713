import type { Drift } from '../drift.ts';
import { byScript, type ContainerTwin } from './twin.ts';

const NEW = 'file/container/root/opt/new';
const PROCESS = /^container\/process\/\d+$/;
const OF_PROCESSES = /^container\/process\/\d+\//;

const FILE_DRIFTS: readonly Drift<ContainerTwin>[] = [
  byScript(
    'a byte of a file of its own',
    [NEW],
    'printf X | dd of="$root/opt/new" bs=1 seek=3 conv=notrunc status=none',
  ),
  byScript(
    'a byte of a changed file of its image, its time set back',
    ['file/container/root/opt/old/changed'],
    'at=$(stat -c %y "$root/opt/old/changed"); printf X | dd of="$root/opt/old/changed" bs=1 conv=notrunc status=none; touch -d "$at" "$root/opt/old/changed"',
  ),
  byScript('a mode bit of a file of its own', [NEW], 'chmod o-r "$root/opt/new"'),
  byScript('an owner of a file of its own', [NEW], 'chown 7 "$root/opt/new"'),
  byScript('a file of its own less', [NEW], 'rm "$root/opt/new"'),
  byScript('a file more', ['file/container/root/opt/more'], 'echo more > "$root/opt/more"'),
  byScript(
    'a file of its image changed',
    ['file/container/root/opt/old/kept'],
    'echo more >> "$root/opt/old/kept"',
  ),
  byScript('a file of its image less', ['gone/container/root/opt/old/kept'], 'rm "$root/opt/old/kept"'),
  byScript(
    'a file of its image that is there again',
    ['gone/container/root/opt/old/removed', 'file/container/root/opt/old/removed'],
    'echo of the image > "$root/opt/old/removed"',
  ),
  byScript(
    'a byte of its volume',
    ['file/volume/words/words'],
    'printf X | dd of="$root/data/words" bs=1 seek=3 conv=notrunc status=none',
  ),
  byScript('a mode bit in its volume', ['file/volume/words/words'], 'chmod o-r "$root/data/words"'),
  byScript('a file of its volume less', ['file/volume/words/words'], 'rm "$root/data/words"'),
  byScript(
    'a byte of a folder of the host',
    ['file/host/srv/shared/word'],
    'printf X | dd of="$root/shared/word" bs=1 seek=3 conv=notrunc status=none',
  ),
  byScript(
    'a byte in /dev/shm',
    ['file/container/shm/kept'],
    'printf X | dd of="$root/dev/shm/kept" bs=1 seek=3 conv=notrunc status=none',
  ),
  byScript('that a file was read', [], 'cat "$root/opt/new" "$root/data/words" > /dev/null', {
    harmless: true,
  }),
];

const RUNTIME_DRIFTS: readonly Drift<ContainerTwin>[] = [
  byScript('a process less', [PROCESS], 'kill -9 "$(pgrep --parent "$pid")"', {
    besides: OF_PROCESSES,
  }),
  byScript(
    'a bit of memory',
    [/^container\/process\/1\/memory\/[0-9a-f]+$/],
    `python3 -c 'import sys
at = int(open("/proc/%s/stat" % sys.argv[1]).read().split(") ")[1].split()[47])
with open("/proc/%s/mem" % sys.argv[1], "r+b", buffering=0) as memory:
    memory.seek(at)
    memory.write(b"!")' "$pid"`,
  ),
  byScript(
    'how many files it may open',
    ['container/process/1/limits'],
    'prlimit --pid "$pid" --nofile=77:77',
  ),
  byScript(
    'a network more',
    ['container/config/network/othernet', 'container/config/newNetworks'],
    'podman network create othernet > /dev/null; podman network connect othernet "$name"',
  ),
  byScript(
    'that it was paused and went on',
    [],
    'podman pause "$name" > /dev/null; podman unpause "$name" > /dev/null',
    {
      harmless: true,
    },
  ),
  byScript('its name', [], 'podman rename "$name" "$name-else"; podman rename "$name-else" "$name"', {
    harmless: true,
  }),
];

export const CONTAINER_DRIFTS: readonly Drift<ContainerTwin>[] = [...FILE_DRIFTS, ...RUNTIME_DRIFTS];
