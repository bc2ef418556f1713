import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { capture } from '../../provider/coordinator/capture.ts';
import type { Member } from '../../provider/coordinator/member.ts';
import { restore } from '../../provider/coordinator/restore.ts';
import type { SealedSnapshot, Store } from '../../provider/core/store.ts';
import { ociLayout } from '../../provider/stores/oci-layout/type.ts';
import { type BankMode, type LabBank, startLabBank } from '../../test/proof/lab-bank-stops.ts';
import { type LabHere, labOrReason } from '../../test/support/lab.ts';
import { on } from '../../test/support/process/rig.ts';
import { quietContext } from './context.ts';
import { type Figure, median, shareOf } from './figure.ts';

const MODES: readonly BankMode[] = ['drivers', 'mixed', 'full'];
const ROUNDS = 5;
const RESTORES = 3;

/**
 * An application on two hosts of the lab under load, a Postgres, a Redis, a MariaDB and a Node process: its pause in
 * each mode, against the span of what is done without us, one native dump after another; and how long it takes from the
 * start of a restore on the other host until the restored process answers, against loading the dumps of its databases.
 */
export async function benchGroup(): Promise<readonly Figure[]> {
  const here = await labOrReason();
  if (here.reason !== undefined) {
    console.error(`not measured: the pause of an application on two hosts, as ${here.reason}`);
    return [];
  }
  const seen: { mode: BankMode; pauseMs: number; replyMs: number }[] = [];
  let dumps: Dumps | undefined;
  for (const mode of MODES) {
    const one = await measure(here, mode);
    seen.push({ mode, pauseMs: one.pauseMs, replyMs: one.replyMs });
    dumps ??= one.dumps;
  }
  return seen.flatMap(({ mode, pauseMs, replyMs }) => [
    shareOf({
      ...{ name: `pause of an application, mode ${mode}`, unit: 'ms', ours: pauseMs },
      ...{ peer: dumps!.takenMs, peerName: 'span of pg_dump, redis-cli --rdb, mariadb-dump, criu dump' },
    }),
    shareOf({
      ...{ name: `restore to first reply, mode ${mode}`, unit: 'ms', ours: replyMs },
      ...{ peer: dumps!.restoredMs, peerName: 'pg_restore, mariadb: of the two dumps alone' },
    }),
  ]);
}

interface Dumps {
  readonly takenMs: number;
  readonly restoredMs: number;
}

async function measure(
  here: LabHere,
  mode: BankMode,
): Promise<{ pauseMs: number; replyMs: number; dumps: Dumps | undefined }> {
  await using resources = new AsyncDisposableStack();
  const lab = resources.use(await here.start());
  const folder = await mkdtemp(join(tmpdir(), 'stasis-bench-'));
  resources.defer(() => rm(folder, { recursive: true, force: true }));
  const store = await ociLayout.open({ path: join(folder, 'store') }, quietContext());
  const bank = resources.use(await startLabBank(lab, { mode, relaxed: false, vm: false }));
  const dumps = mode === 'drivers' ? await dumpByHand(bank) : undefined;
  const sealed: SealedSnapshot[] = [];
  for (let round = 0; round < ROUNDS; round += 1) sealed.push(await photograph(bank, store));
  const repliesMs: number[] = [];
  for (const one of sealed.slice(-RESTORES)) repliesMs.push(await firstReplyMs(bank, store, one));
  return {
    pauseMs: median(sealed.map(({ manifest }) => manifest.pauseMs)),
    replyMs: median(repliesMs),
    dumps,
  };
}

function photograph({ stops }: LabBank, store: Store): Promise<SealedSnapshot> {
  return capture(
    {
      ...{ name: 'bank', owner: 'bench', createdBy: 'bench', store, keep: RESTORES },
      ...{ limits: { maxPauseMs: 60_000, maxBlurMs: 0 }, members: stops.map(({ member }) => member) },
    },
    quietContext(),
  );
}

/** The process answers by what it has in its memory, so only once it goes on. */
async function firstReplyMs(
  bank: LabBank,
  store: Store,
  { digest, generation }: SealedSnapshot,
): Promise<number> {
  const context = quietContext();
  const snapshot = await store.open('bank', digest, context);
  const startNs = process.hrtime.bigint();
  await restore(
    {
      ...{ restoreId: `bank-${generation}`, snapshot, store, members: bank.stops.map(({ twin }) => twin) },
      ...{
        verify: 'equivalent',
        overwrite: true,
        safetySnapshot: false,
        expiry: 'absolute',
        createdBy: 'bench',
      },
    },
    context,
  );
  await bank.stops.find(({ member }) => member.name === 'bank')!.twinBooks();
  const replyMs = Number(process.hrtime.bigint() - startNs) / 1e6;
  // Lets the twin's workers rest, so that nothing of it is at work beside the next.
  await bank.twinBooks();
  return replyMs;
}

const POSTGRES = `set -e
mkdir -p /run/bench
export PGPASSWORD=$1
connect="-h 127.0.0.1 -U postgres"
from=$(date +%s%N)
case $2 in
  take) pg_dump $connect -Fc -f /run/bench/postgres bank ;;
  load) createdb $connect dumped && pg_restore $connect -d dumped /run/bench/postgres ;;
esac
to=$(date +%s%N)
[ "$2" = take ] || dropdb $connect dumped
echo $((to - from))
`;
const REDIS = `set -e
mkdir -p /run/bench
from=$(date +%s%N)
REDISCLI_AUTH=$1 redis-cli --rdb /run/bench/redis > /dev/null
echo $(($(date +%s%N) - from))
`;
const MARIADB = `set -e
mkdir -p /run/bench
connect="--no-defaults --socket=/run/mysqld/bank.sock -u root"
from=$(date +%s%N)
case $1 in
  take) mariadb-dump $connect --single-transaction bank > /run/bench/mariadb ;;
  load) mariadb $connect -e 'CREATE DATABASE dumped' && mariadb $connect dumped < /run/bench/mariadb ;;
esac
to=$(date +%s%N)
[ "$1" = take ] || mariadb $connect -e 'DROP DATABASE dumped'
echo $((to - from))
`;
const PROCESS = `set -e
rm -rf /run/bench/process && mkdir -p /run/bench/process
from=$(date +%s%N)
criu dump --tree "$(cat "$1")" --images-dir /run/bench/process --leave-running --tcp-established --ext-unix-sk --file-locks \\
  --network-lock skip --manage-cgroups=ignore --skip-in-flight -v2 --log-file log
echo $(($(date +%s%N) - from))
rm -rf /run/bench/process
`;

/** What an operator's script would do on the members' hosts. */
async function dumpByHand({ stops, service }: LabBank): Promise<Dumps> {
  const at = (name: string): Member => stops.find(({ member }) => member.name === name)!.member;
  const passwordOf = (name: string): string =>
    decodeURIComponent(new URL((at(name).spec as { readonly url: string }).url).password);
  const ms = async (name: string, script: string, ...args: string[]): Promise<number> =>
    Number(await on(at(name).host, script, ...args)) / 1e6;
  const taken: number[] = [];
  const restored: number[] = [];
  for (let round = 0; round < RESTORES; round += 1) {
    taken.push(
      (await ms('postgres', POSTGRES, passwordOf('postgres'), 'take')) +
        (await ms('redis', REDIS, passwordOf('redis'))) +
        (await ms('mariadb', MARIADB, 'take')) +
        (await ms('bank', PROCESS, service.pidFile)),
    );
    restored.push(
      (await ms('postgres', POSTGRES, passwordOf('postgres'), 'load')) +
        (await ms('mariadb', MARIADB, 'load')),
    );
  }
  return { takenMs: median(taken), restoredMs: median(restored) };
}
