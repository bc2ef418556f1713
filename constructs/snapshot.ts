import type { Construct } from 'constructs';
import { Token } from '#cdk';
import { StasisError } from '../provider/core/errors.ts';
import { isName } from '../provider/core/reference.ts';
import { StasisSnapshot, type StasisSnapshotConfig } from './bindings/stasis.gen.ts';
import type { Exactly, Members } from './members.ts';

/** What a Snapshot is given. */
export interface SnapshotProps<M extends Members = Members>
  extends Omit<StasisSnapshotConfig, 'name' | 'members'> {
  /**
   * The name under which generations are kept in the store. Another name is another resource. The construct's id
   * unless given.
   */
  readonly name?: string;
  /** The stateful parts of the application, by name: `{ orders: Member.postgres({ url }) }`. */
  readonly members: M & Exactly<M>;
}

/**
 * Freezes every stateful part of a running application at one provable instant, and keeps it in a store as one portable
 * unit.
 *
 * @example
 * const shop = new Snapshot(this, 'shop', {
 *   members: {
 *     orders: Member.postgres({ url: ordersUrl.stringValue }),
 *     sessions: Member.redis({ url: sessionsUrl.stringValue }),
 *     receipts: Member.files({ path: '/srv/shop/receipts' }),
 *   },
 *   triggers: { release: '2026.11' },
 * });
 */
export class Snapshot<M extends Members = Members> extends StasisSnapshot {
  /** The kinds of the members by name, for the compiler alone. */
  declare protected readonly kinds: M;

  /** @throws StasisError `name.malformed` where no name is given and the id is none. */
  constructor(scope: Construct, id: string, props: SnapshotProps<M>) {
    super(scope, id, { ...props, name: props.name ?? nameFrom(id) });
  }
}

function nameFrom(id: string): string {
  if (Token.isUnresolved(id) || isName(id)) return id;
  throw new StasisError(
    'name.malformed',
    `The id "${id}" is no name for a snapshot, which has lower-case letters and digits with single "-" or "." between them: give it a name of its own, { name: 'shop' }.`,
    { at: ['name'] },
  );
}
