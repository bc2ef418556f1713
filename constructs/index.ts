/**
 * Snapshot, Restore, Drill and Comparison for programs of CDKTF and of CDK Terrain: one source for both, in which `#cdk`
 * stands for the library.
 */
export * as bindings from './bindings/stasis.gen.ts';
export {
  type DeletionPolicy,
  type Expiry,
  type FilesMember,
  Member,
  type MemberKinds,
  type MemberOf,
  type PostgresMember,
  type Probe,
  type RedisMember,
  type Sameness,
  type Signing,
  StasisComparison as Comparison,
  type StasisComparisonConfig as ComparisonProps,
  StasisDrill as Drill,
  type StasisDrillConfig as DrillProps,
  StasisProvider,
  type StasisProviderConfig,
  type Store,
  type Verification,
} from './bindings/stasis.gen.ts';
export { getSnapshot, getSnapshots } from './lookup.ts';
export type { KindOf, Members, Targets } from './members.ts';
export { Restore, type RestoreFromProps, type RestoreProps } from './restore.ts';
export { SecretVariable, type SecretVariableProps } from './secret-variable.ts';
export { Snapshot, type SnapshotProps } from './snapshot.ts';
