import type { Construct } from 'constructs';
import {
  DataStasisSnapshot,
  type DataStasisSnapshotConfig,
  DataStasisSnapshots,
  type DataStasisSnapshotsConfig,
} from './bindings/stasis.gen.ts';

/**
 * Looks up one sealed snapshot when the program is planned: by name for the newest, by generation or by digest. What is
 * found can be restored with `Restore.from`.
 *
 * @example
 * const newest = getSnapshot(this, 'newest', { snapshot: 'shop', store: { path: './snapshots' } });
 */
export function getSnapshot(
  scope: Construct,
  id: string,
  config: DataStasisSnapshotConfig,
): DataStasisSnapshot {
  return new DataStasisSnapshot(scope, id, config);
}

/** Looks up all sealed snapshots of a name, newest first: `getSnapshots(this, 'all', { name: 'shop' }).snapshots`. */
export function getSnapshots(
  scope: Construct,
  id: string,
  config: DataStasisSnapshotsConfig,
): DataStasisSnapshots {
  return new DataStasisSnapshots(scope, id, config);
}
