import { StasisError } from '../../../core/errors.ts';
import { formatReference } from '../../../core/reference.ts';
import type { Values } from '../../../core/resource.ts';
import type { GenerationEntry, NameRecord, Store } from '../../../core/store.ts';
import { foundOutputs } from '../../../resources/snapshot-outputs.ts';
import { EXIT, type ExitStatus, Refusal } from '../exit.ts';
import { find, type Invocation, openDefaultStore } from '../invocation.ts';
import { type ListedGeneration, renderGenerations, renderNames, renderShow } from '../listing.ts';

/** The names in the store, or the snapshots of one name, newest first. */
export async function list(invocation: Invocation, name: string | undefined): Promise<ExitStatus> {
  const store = await openDefaultStore(invocation);
  if (name === undefined) return listNames(invocation, store);
  const record = await store.name(name);
  if (record === undefined || record.generations.length === 0)
    throw new Refusal([
      new StasisError('snapshot.none', `The store ${store.location} has no snapshot named "${name}".`, {
        hint: '"stasis list" shows the names in it; --store names another one.',
      }),
    ]);
  const listed = await Promise.all(newestFirst(record).map((entry) => openEntry(invocation, store, entry)));
  const snapshots = listed.map(({ entry, snapshot }) => ({
    ...(snapshot ? withoutProof(foundOutputs(snapshot)) : entryOutputs(entry)),
    pins: pinsOf(record, entry),
  }));
  invocation.output.result({ name, owner: record.owner, store: store.location, snapshots }, (look) =>
    renderGenerations(name, record, listed, look),
  );
  return EXIT.done;
}

async function listNames(invocation: Invocation, store: Store): Promise<ExitStatus> {
  const names = await store.names('');
  const snapshots = [...names.values()].flatMap((record) =>
    newestFirst(record).map((entry) => ({
      name: entry.name,
      ...entryOutputs(entry),
      pins: pinsOf(record, entry),
    })),
  );
  const sorted = new Map(
    [...names].map(([name, record]) => [name, { ...record, generations: newestFirst(record) }]),
  );
  invocation.output.result({ store: store.location, snapshots }, (look) =>
    renderNames(store.location, sorted, look),
  );
  return EXIT.done;
}

function newestFirst({ generations }: NameRecord): GenerationEntry[] {
  return generations.toSorted((a, b) => b.generation - a.generation);
}

function entryOutputs({ name, generation, digest, cutAt }: GenerationEntry): Values {
  return { reference: formatReference({ name, digest }), digest, generation, cutAt };
}

/** A list is for finding; the proof of one snapshot is shown by `show` and judged by `verify`. */
function withoutProof({ certificate: _certificate, ...rest }: Values): Values {
  return rest;
}

function pinsOf({ pins }: NameRecord, entry: GenerationEntry): string[] {
  return pins.filter(({ digest }) => digest === entry.digest).map(({ by }) => by);
}

/** A generation that cannot be read is listed all the same; `verify` says what is wrong with it. */
async function openEntry(
  invocation: Invocation,
  store: Store,
  entry: GenerationEntry,
): Promise<ListedGeneration> {
  try {
    return { entry, snapshot: await store.open(entry.name, entry.digest, invocation.context) };
  } catch (error) {
    invocation.context.logger.log('warn', 'a snapshot cannot be read', {
      reference: formatReference(entry),
      reason: error instanceof Error ? error.message : String(error),
    });
    return { entry };
  }
}

/** One snapshot in full. */
export async function show(invocation: Invocation, reference: string): Promise<ExitStatus> {
  const { store, entry } = await find(invocation, reference);
  const snapshot = await store.open(entry.name, entry.digest, invocation.context);
  const record = await store.name(entry.name);
  const pins = record?.pins ?? [];
  const { createdBy, formatVersion } = snapshot.manifest;
  const values = {
    ...foundOutputs(snapshot),
    createdBy,
    formatVersion,
    pins: record ? pinsOf(record, entry) : [],
  };
  invocation.output.result(values, (look) => renderShow(snapshot, pins, look));
  return EXIT.done;
}
