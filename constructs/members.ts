import type { Member, MemberKinds, MemberOf } from './bindings/stasis.gen.ts';

/** The members of an application, by name. */
export type Members = Readonly<Record<string, Member>>;

/** The name of the kind of a member: `postgres`. */
export type KindOf<T> = {
  [K in keyof MemberKinds]: T extends { readonly [P in K]: object } ? K : never;
}[keyof MemberKinds];

/** A target for each member of a snapshot: by the same name, and of the same kind. */
export type Targets<M extends Members> = { readonly [N in keyof M]: Target<M[N]> };

type Target<T> = T extends Member ? MemberOf<KindOf<T>> : never;

/**
 * The members as they were written, where that is exactly what a member has. It stands beside an inferred type, for
 * which TypeScript does not look for attributes that are not there.
 */
export type Exactly<M extends Members> = { readonly [N in keyof M]: ExactMember<M[N]> };

type ExactMember<T> = T extends Member
  ? Nothing<Exclude<keyof T, keyof MemberKinds>> & {
      readonly [K in KindOf<T>]: K extends keyof T
        ? Nothing<Exclude<keyof T[K], keyof MemberKinds[K]>>
        : never;
    }
  : never;

type Nothing<K extends PropertyKey> = { readonly [P in K]?: never };
