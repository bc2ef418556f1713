/**
 * What a user writes, without any language: the resources of one program. Attributes have the names of our own schema
 * (`maxPauseMs`); each way writes them in its language.
 */
export interface Program {
  readonly resources: readonly ResourceModel[];
  /** Of the provider's configuration. Only Terraform's own language and Pulumi's YAML are written with it so far. */
  readonly hosts?: Readonly<Record<string, HostModel>>;
}

export interface HostModel {
  readonly ssh: {
    readonly address: string;
    readonly user: string;
    readonly privateKey: Text;
    readonly hostKey: string;
  };
}

export type ResourceModel = SnapshotModel | RestoreModel | DrillModel | ComparisonModel | DatabaseModel;

/** A text as it stands, a secret of the user's by its name, or what another resource of the program gives out. */
export type Text = string | { readonly secret: string } | { readonly from: readonly [string, string] };

export interface MemberModel {
  readonly postgres?: { readonly url: Text; readonly clientPath?: string; readonly host?: string };
  readonly redis?: { readonly url: Text; readonly host?: string };
  readonly files?: { readonly path: Text };
  readonly process?: { readonly pidFile: string; readonly files?: readonly string[]; readonly host: string };
}

export interface ProbeModel {
  readonly member: string;
  readonly command: readonly string[];
  readonly expect?: string;
}

interface Named {
  /** Its name in the program. */
  readonly id: string;
  /** The name that it had in the program before. */
  readonly formerly?: string;
  /** What is there already, and is taken over. */
  readonly imports?: string;
}

export interface SnapshotModel extends Named {
  readonly kind: 'Snapshot';
  readonly name: string;
  readonly members: Readonly<Record<string, MemberModel>>;
  readonly store: { readonly path: string };
  readonly triggers?: Readonly<Record<string, string>>;
  readonly probes?: Readonly<Record<string, ProbeModel>>;
  readonly maxPauseMs?: number;
  readonly deletionPolicy?: 'retain' | 'delete';
}

export interface RestoreModel extends Named {
  readonly kind: 'Restore';
  readonly snapshot: Text;
  readonly members: Readonly<Record<string, MemberModel>>;
  readonly store: { readonly path: string };
  readonly triggers?: Readonly<Record<string, string>>;
}

export interface DrillModel extends Omit<RestoreModel, 'kind'> {
  readonly kind: 'Drill';
  readonly sign: { readonly keyFile: string };
  readonly maxAge?: string;
}

export interface ComparisonModel extends Omit<RestoreModel, 'kind' | 'members'> {
  readonly kind: 'Comparison';
  readonly other?: Text;
  readonly members?: Readonly<Record<string, MemberModel>>;
  readonly maxAge?: string;
}

/**
 * Stands in for a database of a cloud: a resource of the engine that makes one on the test's server when it is applied,
 * and whose output `url` is not known before.
 */
export interface DatabaseModel extends Named {
  readonly kind: 'Database';
  /** The whole URL of the database that is to be. */
  readonly wanted: { readonly secret: string };
}

/** Names of the secrets that a program uses. */
export function secretsOf(program: Program): string[] {
  const found = new Set<string>();
  JSON.stringify(program, (key, value: unknown) => {
    if (key === 'secret' && typeof value === 'string') found.add(value);
    return value;
  });
  return [...found].sort();
}
