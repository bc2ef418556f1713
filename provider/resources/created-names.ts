import { StasisError } from '../core/errors.ts';
import type { Store } from '../core/store.ts';
import { formatId } from './stores.ts';

/**
 * The names that resources of one run have created. The owner that a store records is the project, so that a project
 * whose state was lost finds its own again; two resources of one project under one name would share it unnoticed. An
 * engine creates each resource once a run, so a second creation of a name is another resource.
 */
export class CreatedNames {
  readonly #ids = new Set<string>();

  /** @throws StasisError `snapshot.same-name`; what fails in `work` may be tried again */
  async create<T>(store: Store, name: string, work: () => Promise<T>): Promise<T> {
    const id = formatId(store.location, name);
    if (this.#ids.has(id))
      throw new StasisError(
        'snapshot.same-name',
        `Another resource of this run is the snapshot "${name}" too.`,
        {
          hint: 'Give each snapshot in a store a name of its own.',
          at: ['name'],
        },
      );
    this.#ids.add(id);
    try {
      return await work();
    } catch (error) {
      this.#ids.delete(id);
      throw error;
    }
  }

  /** After its removal the name may be created anew. */
  forget(id: string): void {
    this.#ids.delete(id);
  }
}
