import { StasisError } from '../../../core/errors.ts';
import { sleep } from '../../../core/wait.ts';
import type { VmFacts } from '../facts.ts';
import type { Arguments } from '../monitor/conversation.ts';
import type { Monitor } from '../monitor/monitor.ts';

/** Nothing holds the saving back: while it lasts, what the guest writes waits for it page by page. */
const BANDWIDTH_BYTES_PER_S = 2 ** 40;
const POLL_MS = 10;
/** How long a machine of some TB may take onto a slow disk. */
const SAVE_MS = 3_600_000;

const CANCEL_MS = 10_000;
/** What `query-migrate` says of a saving that is not over (MigrationStatus of QEMU's qapi/migration.json). */
export const UNDER_WAY: readonly string[] = ['setup', 'active', 'cancelling', 'device', 'pre-switchover'];

interface Migration {
  readonly status?: string;
  readonly 'error-desc'?: string;
  readonly ram?: { readonly normal: number; readonly duplicate: number };
}

const OURS = 'background-snapshot';

/** Nearly all others are (check_caps_background_snapshot of QEMU's migration/options.c); libvirt needs its events. */
function inTheWay(capability: string, state: boolean): boolean {
  return state && capability !== OURS && capability !== 'events';
}

type Command = readonly [command: string, args: Arguments];

/**
 * Saves a stopped VM's memory into a file by a background snapshot: QEMU writes the devices' state down and protects
 * the memory, which takes a moment; then the VM may run, and a page that it wants to write is saved first. The VM must
 * not run before the memory is protected, or what is saved would be of another instant than the disks.
 */
export class MemorySave {
  private readonly monitor: Monitor;
  private readonly path: string;

  constructor(monitor: Monitor, path: string) {
    this.monitor = monitor;
    this.path = path;
  }

  /** What `prepare` changes, as it is: commands that undo it. */
  async settings({ capabilities }: VmFacts, signal: AbortSignal): Promise<Command[]> {
    const parameters = await this.monitor.execute<{ readonly 'max-bandwidth': number }>(
      'query-migrate-parameters',
      undefined,
      signal,
    );
    const changed = [...capabilities].filter(([name, state]) => name === OURS || inTheWay(name, state));
    return [
      [
        'migrate-set-capabilities',
        { capabilities: changed.map(([capability, state]) => ({ capability, state })) },
      ],
      ['migrate-set-parameters', { 'max-bandwidth': parameters['max-bandwidth'] }],
    ];
  }

  /** Others of QEMU's capabilities do not go with background snapshots. */
  async prepare({ capabilities }: Pick<VmFacts, 'capabilities'>, signal: AbortSignal): Promise<void> {
    const wanted = [...capabilities]
      .filter(([name, state]) => inTheWay(name, state))
      .map(([capability]) => ({ capability, state: false }));
    await this.monitor.execute(
      'migrate-set-capabilities',
      { capabilities: [...wanted, { capability: OURS, state: true }] },
      signal,
    );
    await this.monitor.execute('migrate-set-parameters', { 'max-bandwidth': BANDWIDTH_BYTES_PER_S }, signal);
  }

  /** Returns once the VM may run: the first page has been saved, which comes after all is protected. */
  async begin(signal: AbortSignal): Promise<void> {
    await this.monitor.execute('migrate', { uri: `file:${this.path}` }, signal);
    for (;;) {
      const migration = await this.query(signal);
      const { normal = 0, duplicate = 0 } = migration.ram ?? {};
      if (migration.status === 'completed' || normal + duplicate > 0) return;
      failIfOver(migration);
    }
  }

  /** @throws StasisError `vm.memory-not-saved` */
  async end(signal: AbortSignal): Promise<void> {
    const untilMs = Date.now() + SAVE_MS;
    for (;;) {
      const migration = await this.query(signal);
      if (migration.status === 'completed') return;
      failIfOver(migration);
      if (Date.now() > untilMs) throw notSaved(`it takes longer than ${SAVE_MS} ms`);
      await sleep(POLL_MS, signal);
    }
  }

  /** Ends a saving that is under way; idempotent, bounded. */
  async cancel(): Promise<void> {
    const untilMs = Date.now() + CANCEL_MS;
    await this.monitor.execute('migrate_cancel');
    while (Date.now() < untilMs) {
      const { status } = await this.monitor.execute<Migration>('query-migrate');
      if (!UNDER_WAY.includes(status ?? '')) return;
      await sleep(POLL_MS);
    }
  }

  private query(signal: AbortSignal): Promise<Migration> {
    return this.monitor.execute<Migration>('query-migrate', undefined, signal);
  }
}

function failIfOver(migration: Migration): void {
  if (['failed', 'cancelled', 'none', undefined].includes(migration.status))
    throw notSaved(migration['error-desc'] ?? `it was ${migration.status ?? 'dropped'}`);
}

function notSaved(why: string): StasisError {
  return new StasisError('vm.memory-not-saved', `The VM's memory could not be saved: ${why}.`, {
    hint: 'Look whether there is room in the folder that scratch names.',
    at: ['scratch'],
  });
}
