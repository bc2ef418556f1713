import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect } from '@jest/globals';
import { memoryBlobs, testContext } from '../../../test/support/context.ts';
import { restoreOptions } from '../../../test/support/driver-rig.ts';
import { labOrReason } from '../../../test/support/lab.ts';
import { on, until } from '../../../test/support/process/rig.ts';
import { testUnless } from '../../../test/support/skipped.ts';
import { usedLab } from '../../../test/support/used-lab.ts';
import { childAt } from '../../../test/support/vm/held.ts';
import { type CountingVm, residueIn } from '../../../test/support/vm/rig.ts';
import {
  agentOf,
  askAgent,
  channelTo,
  makeWritingGuest,
  startWritingVm,
} from '../../../test/support/vm/writing.ts';
import { capture } from '../../coordinator/capture.ts';
import type { SealedSnapshot, Store } from '../../core/store.ts';
import { sleep } from '../../core/wait.ts';
import { ociLayout } from '../../stores/oci-layout/type.ts';
import { vmDriver } from './driver.ts';
import type { VmSpec } from './spec.ts';

const here = await labOrReason();
const labTest = testUnless(here.reason);
const PATIENCE_MS = 240_000;
const LIMITS = { maxPauseMs: 8_000, maxBlurMs: 0 };
const LEASE_MS = 4_000;
/** What a busy machine may add to the time after which the guest has to write again. */
const MARGIN_MS = 60_000;
const FOLDER = '/srv/vm';
/** Of a guest that does what guests do not. */
const ODD = '/srv/odd';
const OTHER_SOCKET = `${FOLDER}/other.sock`;

describe("a cut of a VM whose guest's agent freezes its file systems", () => {
  let folder: string;
  let store: Store;
  let vm: CountingVm;
  const socket = agentOf(FOLDER);

  const used = usedLab(here, async () => {
    await makeWritingGuest(used.cloud);
    const other = `unix:${OTHER_SOCKET},server=on,wait=off`;
    vm = await startWritingVm(used.cloud, FOLDER, ['-qmp', other]);
    const odd = ['thaw', 'unable', 'without'].flatMap((name) => channelTo(name, `${ODD}/${name}.sock`));
    await startWritingVm(used.cloud, ODD, ['-qmp', `unix:${ODD}/other.sock,server=on,wait=off`, ...odd]);
  });
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'stasis-agent-'));
    store = await ociLayout.open({ path: join(folder, 'store') }, testContext());
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  const specOf = (more: object): VmSpec =>
    vmDriver.spec.parse({ qmp: vm.qmp, memory: false, ...more }) as VmSpec;

  async function problemsOf(more: object): Promise<object[]> {
    const { problems } = await vmDriver.plan(specOf(more), used.cloud, testContext());
    return problems.map(({ code, at }) => ({ code, at }));
  }

  async function captured(name: string, more: object): Promise<SealedSnapshot> {
    const member = { name: 'machine', driver: vmDriver, host: used.cloud, spec: specOf(more) };
    const request = { name, owner: 'test', limits: LIMITS, createdBy: 'test', store, members: [member] };
    return capture(request, testContext());
  }

  /** Restores the disk, looks at it before anybody mounts it, and lets the guest boot from it. */
  async function restored({
    manifest,
    blobs,
  }: SealedSnapshot & Pick<Awaited<ReturnType<Store['open']>>, 'blobs'>): Promise<{
    features: string;
    said: string;
  }> {
    const spec = vmDriver.spec.parse({ qmp: '/run/cold/qmp.sock', folder: '/srv/cold' });
    const options = restoreOptions({ restoreId: manifest.name });
    const from = manifest.members.machine!;
    await using held = await vmDriver.restore(
      spec,
      used.sovereign,
      from,
      blobs('machine'),
      options,
      testContext(),
    );
    const features = await on(
      used.sovereign,
      'dumpe2fs -h /srv/cold/*/disk.raw 2> /dev/null | grep features:',
    );
    await held.release();
    const said = (): Promise<string> => on(used.sovereign, 'cat /srv/cold/*/serial');
    await until(async () => /TICK \d+\s+TICK/.test(await said()), 90_000);
    const text = await said();
    await on(
      used.sovereign,
      'read -r p < "$(echo /srv/cold/*/stasis-qemu.pid)" && kill -9 "$p"; rm -rf /srv/cold /run/cold',
    );
    return { features, said: text };
  }

  async function advances(): Promise<boolean> {
    const before = await vm.count();
    await sleep(300);
    return (await vm.count()) > before;
  }

  labTest(
    'has nothing to recover on the disk, which it has as after a power cut without the agent; both say so',
    async () => {
      for (const agent of [undefined, socket]) {
        const before = await vm.count();
        const sealed = await captured(agent ? 'whole' : 'crashed', agent ? { agent } : {});
        await vm.untilCounts();
        expect(await residueIn(vm, OTHER_SOCKET)).toBe('');
        const { coverage, summary } = sealed.manifest.members.machine!;
        const memory = coverage.outside.find(({ code }) => code === 'vm.memory');
        expect(memory?.message).toContain(agent ? 'its agent had frozen' : 'as after a power cut');
        expect(summary).toBe(agent ? '1 disk, 1 file system frozen' : '1 disk');
        const ties = JSON.stringify(sealed.manifest.certificate.members.machine);
        expect(/its agent keeps frozen","expected":"1","observed":"1"/.test(ties)).toBe(agent !== undefined);

        const opened = await store.open(sealed.name, sealed.digest, testContext());
        const { features, said } = await restored(opened);
        expect({ agent, journal: features.includes('needs_recovery') }).toEqual({ agent, journal: !agent });
        expect({ agent, replayed: said.includes('JOURNAL') }).toEqual({ agent, replayed: !agent });
        const [, boot] = /BOOT (\d*)/.exec(said) ?? [];
        // Of a file that was written to within the last seconds, a power cut leaves what it had before, or nothing.
        if (agent) expect(Number(boot)).toBeGreaterThanOrEqual(before);
      }
    },
    PATIENCE_MS,
  );

  for (const [step, signal] of [
    ['frozen', 'SIGKILL'],
    ['frozen', 'SIGSTOP'],
    ['saved', 'SIGKILL'],
    ['copying', 'SIGKILL'],
  ] as const)
    labTest(
      `${signal} when it is ${step}: the guest writes on within the lease, and nothing of ours is left`,
      async () => {
        const child = await childAt(used.lab, { qmp: vm.qmp, memory: false, agent: socket }, step, LEASE_MS);
        try {
          expect(await advances()).toBe(step === 'copying');
          child.kill(signal);
          await until(advances, LEASE_MS + MARGIN_MS);
          await until(async () => (await residueIn(vm, OTHER_SOCKET)) === '', LEASE_MS + MARGIN_MS);
        } finally {
          child.kill('SIGKILL');
          if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
        }
        expect(await problemsOf({ agent: socket })).toEqual([]);
      },
      PATIENCE_MS,
    );

  labTest(
    'lets the guest write on wherever the freeze is cancelled',
    async () => {
      for (const afterMs of [0, 2, 5, 10, 20, 40, 80]) {
        const context = testContext();
        const cancel = new AbortController();
        await using session = await vmDriver.prepare(specOf({ agent: socket }), used.cloud, context);
        await session.hold!.settle!(context.signal);
        const freezing = session.hold!.freeze(60_000, cancel.signal).catch(() => undefined);
        await sleep(afterMs);
        cancel.abort();
        await session.hold!.thaw();
        await freezing;
        await session.hold!.thaw();
        await until(advances);
      }
      expect(await residueIn(vm, OTHER_SOCKET)).toBe('');
    },
    PATIENCE_MS,
  );

  labTest(
    'is not made of a guest whose file systems somebody else has frozen, and leaves them frozen',
    async () => {
      expect(await askAgent(used.cloud, socket, 'guest-fsfreeze-freeze')).toBe(1);
      try {
        const frozen = { code: 'vm.agent-frozen', at: ['agent'] };
        expect(await problemsOf({ agent: socket })).toEqual([frozen]);
        await expect(captured('refused', { agent: socket })).rejects.toMatchObject({ code: frozen.code });
        expect(await askAgent(used.cloud, socket, 'guest-fsfreeze-status')).toBe('frozen');
        expect(await advances()).toBe(false);
      } finally {
        expect(await askAgent(used.cloud, socket, 'guest-fsfreeze-thaw')).toBe(1);
      }
      await until(advances);
    },
    PATIENCE_MS,
  );

  labTest(
    'is refused at plan time where no agent answers, and not confused by what another client has left half said',
    async () => {
      expect(await problemsOf({ agent: '/run/nobody.sock' })).toEqual([
        { code: 'vm.agent-unreachable', at: ['agent'] },
      ]);
      await on(
        used.cloud,
        'setsid socat -u UNIX-LISTEN:/run/deaf.sock,fork OPEN:/dev/null < /dev/null > /dev/null 2>&1 & echo $! > /run/deaf.pid; until [ -S /run/deaf.sock ]; do sleep 0.05; done',
      );
      expect(await problemsOf({ agent: '/run/deaf.sock' })).toEqual([
        { code: 'vm.agent-silent', at: ['agent'] },
      ]);
      await on(used.cloud, 'read -r p < /run/deaf.pid; kill "$p"');
      const left = `{ printf '{"execute":"guest-info"}\\n%.0s' 1 2 3; printf '{"execute":"guest-ne'; } | socat -t 0 - "UNIX-CONNECT:$1"`;
      await on(used.cloud, left, socket);
      expect(await problemsOf({ agent: socket })).toEqual([]);
    },
    PATIENCE_MS,
  );

  labTest(
    'is refused where the agent may not freeze; where it finds nothing to freeze, the disks are as after a power cut',
    async () => {
      const qmp = `${ODD}/qmp.sock`;
      expect(await problemsOf({ qmp, agent: `${ODD}/unable.sock` })).toEqual([
        { code: 'vm.agent-cannot-freeze', at: ['agent'] },
      ]);
      const { manifest } = await captured('nothing', { qmp, agent: `${ODD}/without.sock` });
      const { coverage, summary } = manifest.members.machine!;
      expect(summary).toBe('1 disk');
      expect(coverage.outside[0]?.message).toContain('found no file system to freeze');
    },
    PATIENCE_MS,
  );

  labTest(
    'is lost where somebody thaws them before it is over',
    async () => {
      const context = testContext();
      const spec = specOf({ qmp: `${ODD}/qmp.sock`, agent: agentOf(ODD) });
      await using session = await vmDriver.prepare(spec, used.cloud, context);
      await session.hold!.settle!(context.signal);
      await session.hold!.freeze(60_000, context.signal);
      await session.mark!.take(context.signal);
      await session.hold!.evidence(context.signal);
      await on(
        used.cloud,
        `{ printf '{"execute":"%s"}\\n' qmp_capabilities cont; sleep 1; } | socat -t 1 - UNIX-CONNECT:${ODD}/other.sock`,
      );
      await session.hold!.thaw();
      await expect(session.copy(memoryBlobs())).rejects.toMatchObject({ code: 'cut.lost' });
    },
    PATIENCE_MS,
  );
});
