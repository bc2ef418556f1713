import type { Host, Lease } from '../../core/host.ts';

/** How long what a capture has begun in QEMU stays once nobody is there who would end it. */
const TTL_MS = 30_000;
const RENEWALS = 4;

/**
 * A watchdog for the time before and after the hold: a VM that runs on while its disks are copied has jobs of ours,
 * which somebody has to end when we die. It is renewed for as long as we live.
 */
export class KeptLease {
  private readonly lease: Lease;
  private readonly timer: NodeJS.Timeout;

  private constructor(lease: Lease) {
    this.lease = lease;
    this.timer = setInterval(() => void lease.renew().catch(() => this.stop()), TTL_MS / RENEWALS);
    this.timer.unref();
  }

  static async take(host: Host, rescue: readonly string[], signal: AbortSignal): Promise<KeptLease> {
    return new KeptLease(await host.lease(rescue, TTL_MS, { signal }));
  }

  private stop(): void {
    clearInterval(this.timer);
  }

  async end(): Promise<void> {
    this.stop();
    await this.lease.disarm();
  }
}
