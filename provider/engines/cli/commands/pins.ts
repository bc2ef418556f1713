import { StasisError } from '../../../core/errors.ts';
import { formatReference } from '../../../core/reference.ts';
import { EXIT, type ExitStatus, Refusal } from '../exit.ts';
import { find, type Invocation } from '../invocation.ts';

/** Keeps one snapshot from being removed by `keep` or `delete`. */
export async function pin(
  invocation: Invocation,
  reference: string,
  options: { readonly note?: string },
): Promise<ExitStatus> {
  const { store, entry } = await find(invocation, reference);
  const by = `user:${options.note ?? `generation-${entry.generation}`}`;
  await store.pin(entry.name, { by, digest: entry.digest });
  const exact = formatReference({ name: entry.name, digest: entry.digest });
  invocation.output.result({ reference: exact, by }, () => `${exact} is pinned by ${by}`);
  return EXIT.done;
}

/** Lets go what `pin`, or a restore whose result is no longer needed, keeps. */
export async function unpin(
  invocation: Invocation,
  reference: string,
  options: { readonly by?: string },
): Promise<ExitStatus> {
  const { store, entry } = await find(invocation, reference);
  const pins = (await store.name(entry.name))?.pins.filter(({ digest }) => digest === entry.digest) ?? [];
  const removed = pins
    .map(({ by }) => by)
    .filter((by) => (options.by === undefined ? by.startsWith('user:') : by === options.by));
  if (removed.length === 0)
    throw new Refusal([
      new StasisError('usage.no-pin', `${reference} has no such pin.`, {
        hint:
          pins.length === 0
            ? 'It has none at all.'
            : `It is pinned by ${pins.map(({ by }) => by).join(', ')}; name one with --by.`,
      }),
    ]);
  for (const by of removed) await store.unpin(entry.name, by);
  const exact = formatReference({ name: entry.name, digest: entry.digest });
  invocation.output.result(
    { reference: exact, unpinned: removed },
    () => `${exact} is no longer pinned by ${removed.join(', ')}`,
  );
  return EXIT.done;
}
