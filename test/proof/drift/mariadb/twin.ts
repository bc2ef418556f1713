import type { Drift, Twin } from '../drift.ts';

/** A database that was restored on another server than the original's. */
export interface MariadbTwin extends Twin {
  /** Runs SQL in it as the administrator. `TWIN` stands for its name. */
  query(sql: string): Promise<unknown>;
}

/** A change by SQL. */
export function bySql(
  name: string,
  sql: string,
  objects: readonly string[],
  more: Pick<Drift, 'unseen' | 'harmless' | 'rows'> & { readonly undo?: string } = {},
): Drift<MariadbTwin> {
  const { undo, ...rest } = more;
  const run =
    (statements: string) =>
    async (twin: MariadbTwin): Promise<void> => {
      await twin.query(statements);
    };
  return {
    ...{ name, objects, ...rest },
    change: run(sql),
    ...(undo === undefined ? {} : { undo: run(undo) }),
  };
}
