import { copyFile, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { VERSION } from '../../../provider/composition/version.ts';
import {
  type Applied,
  type DemoEngine,
  type DemoSetting,
  exampleFolder,
  exampleVariables,
} from './engine.ts';
import { runWell } from './run.ts';

const ROOT = join(import.meta.dirname, '../../..');
const STASIS = join(ROOT, 'bin/stasis');

/** Our own command line on the example's YAML. It keeps no state, so it has no second plan. */
export async function commandLineEngine(setting: DemoSetting): Promise<DemoEngine> {
  const work = join(setting.folder, 'work');
  await mkdir(work, { recursive: true });
  for (const file of ['app.yaml', 'twin.yaml'])
    await copyFile(join(exampleFolder(setting), file), join(work, file));
  const env = { ...process.env, ...exampleVariables(setting) };
  const stasis = async <T>(signal: AbortSignal, ...args: string[]): Promise<T> => {
    const { stdout } = await runWell([STASIS, ...args, '--json'], { cwd: work, env, signal });
    return JSON.parse(stdout);
  };
  return {
    name: 'stasis',
    title: `stasis ${VERSION}, the command line`,
    async apply(signal) {
      const captured = await stasis<Omit<Applied, 'verdict' | 'restoreMs' | 'warmth'>>(
        signal,
        ...['capture', '-f', 'app.yaml'],
      );
      const { verdict, restoreMs, warmth } = await stasis<Pick<Applied, 'verdict' | 'restoreMs' | 'warmth'>>(
        signal,
        ...['restore', captured.reference, '-f', 'twin.yaml'],
      );
      const { reference, sharp, blurMs, pauseMs, sizeBytes, storedBytes } = captured;
      return { reference, sharp, blurMs, pauseMs, sizeBytes, storedBytes, verdict, restoreMs, warmth };
    },
    secondPlanEmpty: async () => null,
  };
}
