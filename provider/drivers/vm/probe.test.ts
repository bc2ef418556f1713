import { describe, expect } from '@jest/globals';
import { testContext } from '../../../test/support/context.ts';
import { labOrReason } from '../../../test/support/lab.ts';
import { on } from '../../../test/support/process/rig.ts';
import { testUnless } from '../../../test/support/skipped.ts';
import { usedLab } from '../../../test/support/used-lab.ts';
import type { Host } from '../../core/host.ts';
import { runBy } from '../../hosts/shared/collect.ts';
import { probe } from './probe.ts';

const here = await labOrReason();
const labTest = testUnless(here.reason);
const used = usedLab(here, async () => {});
const PATIENCE_MS = 240_000;
const QEMU = 'qemu-system-x86_64';

/** The host, whose commands' output is taken only after a while: a pipe holds 64 KiB, and QEMU has more to say. */
function slowReader(host: Host): Host {
  const spawn: Host['spawn'] = (argv, options) =>
    host.spawn(['sh', '-c', '"$@" | { sleep 2; cat; }', 'slow', ...argv], options);
  return {
    ...{ name: host.name, spawn, run: (argv, options) => runBy(spawn, argv, options) },
    ...{ which: (program, folders) => host.which(program, folders) },
    ...{ read: (path, options) => host.read(path, options) },
    ...{ write: (path, content, options) => host.write(path, content, options) },
    ...{ temporaryFolder: (options) => host.temporaryFolder(options) },
    ...{ lease: (rescue, ttlMs, options) => host.lease(rescue, ttlMs, options) },
  };
}

describe('what a QEMU can be', () => {
  /** A program of that name which is none of QEMU's. */
  async function impostor(name: string, script: string): Promise<string> {
    const path = `/usr/local/bin/${name}`;
    await on(used.cloud, 'printf "#!/bin/sh\\n%s\\n" "$2" > "$1" && chmod 755 "$1"', path, script);
    return name;
  }

  labTest(
    'is read as a whole, however slowly its answers are taken, and it ends',
    async () => {
      const { signal } = testContext();
      const [quick, slow] = [
        await probe(QEMU, 'tcg', used.cloud, signal),
        await probe(QEMU, 'tcg', slowReader(used.cloud), signal),
      ];
      expect(quick?.version).toMatch(/^\d+\.\d+\.\d+$/);
      expect(quick?.machines.has('q35')).toBe(true);
      expect(quick?.processors.has('qemu64-x86_64-cpu')).toBe(true);
      expect(slow).toEqual(quick);
      expect(await on(used.cloud, 'pgrep -f "[q]emu-system.*machine none" || true')).toBe('');
    },
    PATIENCE_MS,
  );

  labTest(
    'is nothing where there is none, or none that starts as one, and is said to be untold where it keeps silent',
    async () => {
      const { signal } = testContext();
      expect(await probe('qemu-system-none', 'tcg', used.cloud, signal)).toBeUndefined();
      const broken = await impostor('qemu-system-broken', 'echo "no such accelerator" >&2; exit 1');
      expect(await probe(broken, 'tcg', used.cloud, signal)).toBeUndefined();
      const silent = await impostor('qemu-system-silent', 'exec cat > /dev/null');
      await expect(probe(silent, 'tcg', used.cloud, signal)).rejects.toMatchObject({
        ...{ name: 'StasisError', code: 'vm.qemu-silent' },
        message: expect.stringContaining(silent),
      });
      const garbled = await impostor('qemu-system-garbled', 'echo \'{"QMP": \'; exec cat > /dev/null');
      expect(await probe(garbled, 'tcg', used.cloud, signal)).toBeUndefined();
      expect(await on(used.cloud, 'pgrep -f "[q]emu-system-(silent|garbled)" || true')).toBe('');
    },
    PATIENCE_MS,
  );
});
