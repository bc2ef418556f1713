import { existsSync } from 'node:fs';
import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { makeServices } from '../../provider/composition/services.ts';
import { startClock } from '../../provider/core/clock.ts';
import type { Context } from '../../provider/core/context.ts';
import type { Digest } from '../../provider/core/digest.ts';
import { parseReference } from '../../provider/core/reference.ts';
import type { SealedSnapshot, Store } from '../../provider/core/store.ts';
import type { Verdict } from '../../provider/core/verdict.ts';
import { formatOf, renderReport } from '../../provider/report/formats.ts';
import { gatherReport, writeReport } from '../../provider/resources/report.ts';
import { openStore } from '../../provider/resources/stores.ts';
import type { Applied } from './engines/engine.ts';

/** The snapshot as it lies in the demo's store, whoever wrote it: the picture is drawn from it alone. */
export async function readSnapshot(
  folder: string,
  reference: string,
  signal: AbortSignal,
): Promise<SealedSnapshot> {
  const { store, context, name, digest } = await lookUp(folder, reference, signal);
  return store.open(name, digest, context);
}

/**
 * The page that the Restore itself has written, where its example has it write one; else the report of the demo's
 * snapshot, with the verdict that the engine came back with.
 */
export async function writeDemoReport(
  path: string,
  folder: string,
  { reference, verdict, restoreMs }: Applied,
  signal: AbortSignal,
): Promise<void> {
  const format = formatOf(path) ?? 'html';
  const written = join(folder, 'work/twin.html');
  if (format === 'html' && existsSync(written)) return copyFile(written, path);
  const { store, context, name, digest } = await lookUp(folder, reference, signal);
  const report = await gatherReport(store, { name, digest }, context, {
    kind: 'restore',
    with: null,
    verdict: verdict as Verdict,
    restoreMs,
    safetyReference: null,
    members: [],
    differences: [],
    warmth: [],
    lostWork: [],
  });
  await writeReport(path, renderReport(report, format));
}

interface Found {
  readonly store: Store;
  readonly context: Context;
  readonly name: string;
  readonly digest: Digest;
}

async function lookUp(folder: string, reference: string, signal: AbortSignal): Promise<Found> {
  const context = {
    signal,
    clock: startClock(),
    logger: { log: () => undefined },
    progress: () => undefined,
  };
  const store = await openStore(makeServices('demo'), {}, { path: join(folder, 'work/snapshots') }, context);
  const { name, digest } = parseReference(reference);
  if (digest === undefined) throw new Error(`${reference} names no digest`);
  return { store, context, name, digest };
}
