// Restores one member of a snapshot and is killed at a step of it:
//   restoring-child.ts STORE NAME DIGEST MEMBER TARGET SSH STEP
//   STEP   `journaled` kills it as soon as the journal is written, `restoring` when podman restores, `loaded` at the end
import { restore } from '../../../provider/coordinator/restore.ts';
import type { Digest } from '../../../provider/core/digest.ts';
import { sleep } from '../../../provider/core/wait.ts';
import { containerDriver } from '../../../provider/drivers/container/driver.ts';
import { sshHost } from '../../../provider/hosts/ssh/host.ts';
import { ociLayout } from '../../../provider/stores/oci-layout/type.ts';
import { testContextOutside } from '../process/context-outside.ts';

const [path, name, digest, memberName, target, ssh, step] = process.argv.slice(2);
const context = testContextOutside();
const store = await ociLayout.open({ path: path! }, context);
const snapshot = await store.open(name!, digest as Digest, context);
const host = sshHost('sovereign', JSON.parse(ssh!));
const die = (): void => {
  process.kill(process.pid, 'SIGKILL');
};
const driver = {
  ...containerDriver,
  restore: async (...[spec, at, from, blobs, options, inner]: Parameters<typeof containerDriver.restore>) => {
    const journal = async (entry: unknown): Promise<void> => {
      await options.journal(entry);
      if (step === 'journaled') die();
      if (step === 'restoring') void whenRestoring();
    };
    const held = await containerDriver.restore(spec, at, from, blobs, { ...options, journal }, inner);
    if (step === 'loaded') die();
    return held;
  },
};

/** In the middle of it: podman has made the container, which is not there yet. */
async function whenRestoring(): Promise<void> {
  for (;;) {
    const argv = ['sh', '-c', 'podman ps --all --quiet | grep -c .'];
    const { stdout } = await host.run(argv, { signal: context.signal, timeoutMs: 30_000 });
    if (Number(stdout) > 0) die();
    await sleep(20);
  }
}

await restore(
  {
    ...{
      restoreId: 'dies',
      overwrite: false,
      safetySnapshot: false,
      verify: 'identical',
      expiry: 'absolute',
    },
    ...{ createdBy: 'test', store, snapshot },
    members: [{ name: memberName!, driver, spec: driver.spec.parse(JSON.parse(target!)), host }],
  },
  context,
);
