import { describe, expect } from '@jest/globals';
import { labOrReason } from '../../test/support/lab.ts';
import { on } from '../../test/support/process/rig.ts';
import { testUnless } from '../../test/support/skipped.ts';
import { usedLab } from '../../test/support/used-lab.ts';
import { memoryFolder } from './memory-folder.ts';

const here = await labOrReason();
const labTest = testUnless(here.reason);
const PATIENCE_MS = 120_000;
const { signal } = new AbortController();

/** Several write new files into a folder, without a pause, until it has gone or they have written so many. */
const WRITE = `
for writer in 1 2 3 4; do
  (n=0; while [ $n -lt 5000 ] && : > "$1/$writer-$n"; do n=$((n + 1)); done) 2> /dev/null &
done
wait
`;

describe('a folder in memory', () => {
  const used = usedLab(here, async () => {});

  labTest(
    'goes with us, also while somebody still writes into it, as a criu does that restores when we are killed',
    async () => {
      const folder = await memoryFolder(used.cloud, 1_000_000, signal);
      const written = on(used.cloud, WRITE, folder.path);
      await on(used.cloud, 'until [ "$(ls "$1" | wc -l)" -gt 500 ]; do sleep 0.01; done', folder.path);
      await folder[Symbol.asyncDispose]();
      await written;
      expect(await on(used.cloud, 'ls -d "$1" 2>&1 || true', folder.path)).toContain('No such file');
    },
    PATIENCE_MS,
  );
});
