/** What the process of a workload tells the one that started it. */
export type WorkloadMessage =
  | { readonly kind: 'started' }
  | { readonly kind: 'report'; readonly report: unknown }
  | { readonly kind: 'failed'; readonly message: string };

export interface WorkloadParts {
  /** Makes all ready; the workload counts as started when it returns. */
  readonly open: () => Promise<void>;
  /** Works until the signal aborts, then ends what is under way. */
  readonly work: (signal: AbortSignal) => Promise<void>;
  readonly report: () => unknown;
}

/** The main of a workload's process. It ends on SIGTERM, or when whoever started it is gone. */
export async function serveWorkload({ open, work, report }: WorkloadParts): Promise<void> {
  const closing = new AbortController();
  process.on('message', () => tell({ kind: 'report', report: report() }));
  process.on('disconnect', () => closing.abort());
  process.on('SIGTERM', () => closing.abort());
  // A Ctrl-C in the terminal reaches us too, but the one who started us decides when we end.
  process.on('SIGINT', () => undefined);
  try {
    await open();
    tell({ kind: 'started' });
    await work(closing.signal);
  } catch (error) {
    tell({ kind: 'failed', message: error instanceof Error ? error.message : String(error) });
    process.exitCode = 1;
  } finally {
    if (process.connected) process.disconnect();
  }
}

function tell(message: WorkloadMessage): void {
  if (process.connected) process.send?.(message);
}
