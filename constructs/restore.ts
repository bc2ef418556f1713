import { Construct } from 'constructs';
import { StasisError } from '../provider/core/errors.ts';
import { type DataStasisSnapshot, StasisRestore, type StasisRestoreConfig } from './bindings/stasis.gen.ts';
import type { Members, Targets } from './members.ts';
import type { Snapshot } from './snapshot.ts';

/** What a Restore is given. */
export interface RestoreProps extends Omit<StasisRestoreConfig, 'members'> {
  /** A target for every member of the snapshot, by the same name and with the same driver. */
  readonly members: Members;
}

/** What a Restore of a certain snapshot is given: the snapshot and its store are known. */
export interface RestoreFromProps<M extends Members = Members>
  extends Omit<RestoreProps, 'snapshot' | 'members'> {
  /** A target for every member of the snapshot, by the same name and of the same kind. */
  readonly members: Targets<M>;
  /** The id of the construct; that of the snapshot with `-restore` unless given. */
  readonly id?: string;
  /** Where the construct belongs, such as another stack; beside the snapshot unless given. */
  readonly scope?: Construct;
}

/**
 * Brings a snapshot back to life, once, in the same place or another, and says with evidence whether it is the same.
 * Removing it never touches the target's data.
 */
export class Restore extends StasisRestore {
  constructor(scope: Construct, id: string, props: RestoreProps) {
    super(scope, id, props);
  }

  /**
   * Restores a snapshot of the same program, or one that was looked up, from its store. Members of a Snapshot are
   * checked by the compiler: each has a target, of its own kind.
   *
   * @example
   * const twin = Restore.from(shop, {
   *   id: 'twin',
   *   members: {
   *     orders: Member.postgres({ url: twinOrdersUrl.stringValue }),
   *     sessions: Member.redis({ url: twinSessionsUrl.stringValue }),
   *     receipts: Member.files({ path: '/srv/twin/receipts' }),
   *   },
   * });
   */
  static from<M extends Members>(snapshot: Snapshot<M>, props: RestoreFromProps<M>): Restore;
  static from(snapshot: DataStasisSnapshot, props: RestoreFromProps): Restore;
  static from(
    snapshot: Snapshot | DataStasisSnapshot,
    { id = `${snapshot.node.id}-restore`, scope = scopeOf(snapshot), ...props }: RestoreFromProps,
  ): Restore {
    const store = props.store ?? snapshot.storeInput;
    return new Restore(scope, id, { ...props, snapshot: snapshot.reference, store });
  }
}

function scopeOf({ node }: Construct): Construct {
  if (node.scope instanceof Construct) return node.scope;
  throw new StasisError('input.missing', 'The snapshot stands in no scope: name one, { scope: this }.', {
    at: ['scope'],
  });
}
