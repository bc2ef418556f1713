import { capture } from '../../provider/coordinator/capture.ts';
import type { Member } from '../../provider/coordinator/member.ts';
import { restore } from '../../provider/coordinator/restore.ts';
import { startClock } from '../../provider/core/clock.ts';
import type { Context } from '../../provider/core/context.ts';
import { toStasisError } from '../../provider/core/errors.ts';
import { processDriver } from '../../provider/drivers/process/driver.ts';
import { sshHost } from '../../provider/hosts/ssh/host.ts';
import type { SshSpec } from '../../provider/hosts/ssh/spec.ts';
import { ociLayout } from '../../provider/stores/oci-layout/type.ts';
import type { MemberOrder } from './host-run.ts';
import { sabotagedDriver } from './sabotaged.ts';

/** Captures or restores processes on hosts, and tells its parent at which step it is; what becomes of it then is the parent's. */
export interface HostOrder {
  readonly work: 'capture' | 'restore';
  readonly storeFolder: string;
  /** Of the snapshot. */
  readonly name: string;
  readonly hosts: Readonly<Record<string, SshSpec>>;
  readonly members: Readonly<Record<string, MemberOrder>>;
  readonly maxPauseMs: number;
  readonly restoreId: string;
}

const order = JSON.parse(process.env.HOST_ORDER ?? '') as HostOrder;

const tell = (step: string): void => {
  process.send?.({ step });
};

const context: Context = {
  signal: new AbortController().signal,
  clock: startClock(),
  logger: { log: () => {} },
  progress: ({ step }) => tell(step),
};

/** The driver itself, which also tells what only it knows of. */
const telling = sabotagedDriver(processDriver, {
  afterFreeze: async () => tell('frozen'),
  beforeMark: async () => tell('mark'),
  afterMark: async () => tell('marked'),
});

await using hosts = new AsyncDisposableStack();
const reached = Object.fromEntries(
  Object.entries(order.hosts).map(([name, spec]) => [name, hosts.use(sshHost(name, spec))]),
);
const members: Member[] = Object.entries(order.members).map(([name, { host, ...spec }]) => ({
  ...{ name, driver: telling, host: reached[host]! },
  spec: processDriver.spec.parse(spec),
}));
try {
  const store = await ociLayout.open({ path: order.storeFolder }, context);
  const common = { store, members, createdBy: 'death' };
  if (order.work === 'capture')
    await capture(
      {
        ...{ ...common, name: order.name, owner: 'death', keep: 2 },
        limits: { maxPauseMs: order.maxPauseMs, maxBlurMs: 0 },
      },
      context,
    );
  else {
    const newest = (await store.name(order.name))!.generations[0]!;
    const snapshot = await store.open(order.name, newest.digest, context);
    await restore(
      {
        ...{ ...common, restoreId: order.restoreId, snapshot, verify: 'identical', expiry: 'absolute' },
        ...{ overwrite: false, safetySnapshot: false },
      },
      context,
    );
  }
  tell('done');
} catch (error) {
  const { code, message } = toStasisError(error);
  process.send?.({ step: 'failed', code, message });
}
process.disconnect?.();
