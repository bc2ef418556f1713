import { sleep } from '../../../core/wait.ts';
import type { Monitor } from '../monitor/monitor.ts';

const JOBS_MS = 10_000;
const POLL_MS = 5;

/** Until none of these jobs is there any more; bounded. */
export async function waitForJobs(monitor: Monitor, ids: readonly string[]): Promise<void> {
  const untilMs = Date.now() + JOBS_MS;
  while (ids.length > 0 && !monitor.lost && Date.now() < untilMs) {
    const jobs = await monitor.execute<{ id: string; status: string }[]>('query-jobs');
    const ours = jobs.filter(({ id }) => ids.includes(id));
    if (ours.length === 0) return;
    for (const { id, status } of ours)
      if (status === 'concluded') await monitor.execute('job-dismiss', { id });
    await sleep(POLL_MS);
  }
}
