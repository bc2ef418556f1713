import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { testContext } from '../../test/support/context.ts';
import { SimulatedSystem, simulatedDriver } from '../../test/support/simulated/driver.ts';
import type { Driver } from '../core/driver.ts';
import { StasisError } from '../core/errors.ts';
import {
  halfDoneState,
  type ResourceDefinition,
  type ResourceState,
  UNKNOWN,
  type Values,
} from '../core/resource.ts';
import { localHost } from '../hosts/local/host.ts';
import { hostSpec, locateHost, openHost } from '../hosts/registry.ts';
import { STORE_TYPES } from '../stores/registry.ts';
import { makeProvider } from './provider.ts';

let folder: string;
let system: SimulatedSystem;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'stasis-resources-'));
  system = new SimulatedSystem();
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const MACHINES = {
  host: localHost(),
  hostType: { spec: hostSpec, open: openHost, locate: locateHost },
  hosts: {},
};

function definitions(owner = 'test'): Record<'Snapshot' | 'Restore', ResourceDefinition> {
  const services = {
    drivers: [simulatedDriver({ system, mark: true, watch: true })],
    storeTypes: STORE_TYPES,
    ...MACHINES,
    version: '0.0.0',
    owner,
  };
  const { resources } = makeProvider(services).catalog({ store: { path: join(folder, 'store') } });
  return Object.fromEntries(resources.map((one) => [one.name, one])) as Record<
    'Snapshot' | 'Restore',
    ResourceDefinition
  >;
}

const inputsOf = (overrides: Values = {}, member: Values = {}): Values => ({
  name: 'shop',
  members: { a: { simulated: { place: 'here', password: 'hunter2', ...member } } },
  ...overrides,
});

const context = testContext();
const generationOf = (state: ResourceState): number => state.outputs.generation as number;

async function created(overrides: Values = {}, member: Values = {}): Promise<ResourceState> {
  return definitions().Snapshot.apply({ inputs: inputsOf(overrides, member) }, context);
}

async function ownerInStore(): Promise<string | undefined> {
  const store = await STORE_TYPES[0]!.open({ path: join(folder, 'store') }, context);
  return (await store.name('shop'))?.owner;
}

describe('a Snapshot', () => {
  test('captures when it is created; its state holds endpoints and no secret', async () => {
    const state = await created();
    expect(state.id).toBe(`${join(folder, 'store')}#shop`);
    expect(state.outputs).toMatchObject({ generation: 1, sharp: true, blurMs: 0, pauseMs: 0 });
    expect(state.outputs.reference).toMatch(/^shop@sha256:[0-9a-f]{64}$/);
    expect(state.stored.members).toEqual({
      a: { simulated: { place: 'here', endpoint: 'simulated://here' } },
    });
    expect(JSON.stringify(state)).not.toContain('hunter2');
  });

  const never: [string, Values, Values][] = [
    ['another password', {}, { password: 'changed' }],
    ['another limit of a member', {}, { patience: 7 }],
    ['another maxPauseMs', { maxPauseMs: 500 }, {}],
    ['another maxBlurMs', { maxBlurMs: 5 }, {}],
    ['keep', { keep: 3 }, {}],
    ['a deletion policy', { deletionPolicy: 'delete' }, {}],
  ];
  test.each(never)('%s never captures again', async (_name, overrides, member) => {
    const prior = await created();
    const change = { prior, inputs: inputsOf(overrides, member) };
    const planned = await definitions().Snapshot.plan(change, context);
    expect(planned.outputs).toEqual(prior.outputs);
    expect(planned.problems).toEqual([]);
    system.calls.length = 0;
    expect(generationOf(await definitions().Snapshot.apply(change, context))).toBe(1);
    expect(system.calls).toEqual([]);
  });

  const again: [string, Values, Values][] = [
    ['a changed trigger', { triggers: { release: '2' } }, {}],
    ['another endpoint', {}, { place: 'there' }],
    ['another selection', {}, { part: 'half' }],
    [
      'a new member',
      { members: { a: { simulated: { place: 'here' } }, b: { simulated: { place: 'there' } } } },
      {},
    ],
  ];
  test.each(again)('%s captures the next generation', async (_name, overrides, member) => {
    const prior = await created();
    const change = { prior, inputs: inputsOf(overrides, member) };
    const planned = await definitions().Snapshot.plan(change, context);
    expect(planned).toMatchObject({ action: 'update', replace: [], id: prior.id });
    expect(planned.outputs.reference).toBe(UNKNOWN);
    const state = await definitions().Snapshot.apply(change, context);
    expect(generationOf(state)).toBe(2);
    expect(state.id).toBe(prior.id);
  });

  test('a plan with nothing to change contacts no member', async () => {
    const prior = await created();
    system.calls.length = 0;
    const planned = await definitions().Snapshot.plan({ prior, inputs: inputsOf() }, context);
    expect(planned).toMatchObject({ action: 'none', problems: [] });
    expect(system.calls).toEqual([]);
  });

  test('what is unknown is planned as such, and decided at apply', async () => {
    const first = await definitions().Snapshot.plan({ inputs: inputsOf({}, { place: UNKNOWN }) }, context);
    expect(first.problems).toEqual([]);
    expect(first.stored.members).toEqual({ a: { simulated: { place: UNKNOWN, endpoint: UNKNOWN } } });
    const prior = await created();
    const planned = await definitions().Snapshot.plan(
      { prior, inputs: inputsOf({}, { place: UNKNOWN }) },
      context,
    );
    expect(planned).toMatchObject({ action: 'update' });
    expect(planned.outputs.generation).toBe(UNKNOWN);
    expect(generationOf(await definitions().Snapshot.apply({ prior, inputs: inputsOf() }, context))).toBe(1);
  });

  test('another name or another store is another resource', async () => {
    const prior = await created();
    const renamed = await definitions().Snapshot.plan(
      { prior, inputs: inputsOf({ name: 'store-front' }) },
      context,
    );
    expect(renamed).toMatchObject({
      action: 'replace',
      replace: [['name']],
      id: `${join(folder, 'store')}#store-front`,
    });
    const moved = await definitions().Snapshot.plan(
      { prior, inputs: inputsOf({ store: { path: join(folder, 'other') } }) },
      context,
    );
    expect(moved).toMatchObject({ action: 'replace', replace: [['store']] });
  });

  test('a name has one owner; another is refused at plan and at apply, unless it imports', async () => {
    await created();
    const other = definitions('another project').Snapshot;
    const planned = await other.plan({ inputs: inputsOf() }, context);
    expect(planned.problems.map(({ code, at }) => [code, at])).toEqual([['store.owned', ['name']]]);
    await expect(other.apply({ inputs: inputsOf() }, context)).rejects.toMatchObject({ code: 'store.owned' });
    const imported = await other.importState(`${join(folder, 'store')}#shop`, context);
    expect(imported).toMatchObject({ stored: { name: 'shop' }, outputs: { generation: 1, owner: 'test' } });
    const adopted = await other.apply({ prior: imported, inputs: inputsOf() }, context);
    expect(generationOf(adopted)).toBe(1);
    const next = await other.apply({ prior: adopted, inputs: inputsOf({ triggers: { n: '1' } }) }, context);
    expect(generationOf(next)).toBe(2);
    expect(next.outputs.owner).toBe('another project');
  });

  test('an import and its plan write nothing; the first apply takes the name over', async () => {
    const first = await created();
    const other = definitions('another project').Snapshot;
    const imported = await other.importState(first.id, context);
    const planned = await other.plan({ prior: imported, inputs: inputsOf() }, context);
    expect(planned).toMatchObject({ problems: [], outputs: { owner: 'another project', generation: 1 } });
    expect(await ownerInStore()).toBe('test');
    expect((await definitions().Snapshot.read(first, context))?.problems).toEqual([]);
    expect((await other.read(imported, context))?.problems).toEqual([]);
    const adopted = await other.apply({ prior: imported, inputs: inputsOf() }, context);
    expect(adopted.outputs).toEqual(planned.outputs);
    expect(await ownerInStore()).toBe('another project');
  });

  test('an import of which the engine alone knows the inputs takes the name over when it captures, or not at all', async () => {
    const first = await created();
    const other = definitions('another project').Snapshot;
    const imported = await other.importState(first.id, context);
    const prior = { ...imported, stored: first.stored, imported: true };
    const change = { prior, inputs: inputsOf({ triggers: { n: '1' } }) };
    expect((await other.plan(change, context)).problems).toEqual([]);
    const signal = AbortSignal.abort();
    await expect(other.apply(change, { ...context, signal })).rejects.toThrow();
    expect(await ownerInStore()).toBe('test');
    const next = await other.apply(change, context);
    expect(next.outputs).toMatchObject({ generation: 2, owner: 'another project' });
    expect(await ownerInStore()).toBe('another project');
    // Whoever imported it before that, and now comes second, has to import it anew.
    const late = definitions('a third project').Snapshot;
    await expect(late.apply(change, context)).rejects.toMatchObject({ code: 'store.owned' });
  });

  test('a project that has moved goes on with what its state says is its own', async () => {
    const prior = await created();
    const moved = definitions('the same project elsewhere').Snapshot;
    const change = { prior, inputs: inputsOf({ triggers: { n: '1' } }) };
    expect((await moved.plan(change, context)).problems).toEqual([]);
    expect((await moved.apply(change, context)).outputs).toMatchObject({ generation: 2, owner: 'test' });
  });

  test('two resources of one project with one name are noticed: in one run refused, later reported', async () => {
    const { Snapshot } = definitions();
    const both = [1, 2].map(() => Snapshot.apply({ inputs: inputsOf() }, context));
    const results = await Promise.allSettled(both);
    expect(results.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    const failed = results.find((one): one is PromiseRejectedResult => one.status === 'rejected');
    expect(failed?.reason).toMatchObject({ code: 'snapshot.same-name', at: ['name'] });
    const done = results.find(
      (one): one is PromiseFulfilledResult<ResourceState> => one.status === 'fulfilled',
    );
    const first = done!.value;
    const warnings = async (state: ResourceState) =>
      (await definitions().Snapshot.read(state, context))?.problems.map(({ code, severity }) => [
        code,
        severity,
      ]);
    expect(await warnings(first)).toEqual([]);
    // Added later, in a run of its own: nothing tells it from one whose state was lost.
    const second = await created();
    expect(await warnings(second)).toEqual([]);
    expect(await warnings(first)).toEqual([['snapshot.newer-generation', 'warning']]);
    const other = definitions('another project').Snapshot;
    await other.apply({ prior: await other.importState(second.id, context), inputs: inputsOf() }, context);
    expect(await warnings(second)).toEqual([['snapshot.taken-over', 'warning']]);
  });

  test('a name is created anew where its state was lost, its resource replaced, or its creation failed', async () => {
    const lost = await created();
    const { Snapshot } = definitions();
    const again = await Snapshot.apply({ inputs: inputsOf() }, context);
    expect(again.id).toBe(lost.id);
    await Snapshot.delete(again, context);
    const replaced = await Snapshot.apply({ inputs: inputsOf() }, context);
    expect(generationOf(replaced)).toBe(3);
    const fresh = definitions().Snapshot;
    const signal = AbortSignal.abort();
    await expect(fresh.apply({ inputs: inputsOf() }, { ...context, signal })).rejects.toThrow();
    expect(generationOf(await fresh.apply({ inputs: inputsOf() }, context))).toBe(4);
  });

  test('what replaced it stays when it is removed after that', async () => {
    const old = await created({ deletionPolicy: 'delete' });
    const replacement = await created({ deletionPolicy: 'delete' });
    await definitions().Snapshot.delete(old, context);
    expect((await definitions().Snapshot.read(replacement, context))?.problems).toEqual([]);
    const store = await STORE_TYPES[0]!.open({ path: join(folder, 'store') }, context);
    expect((await store.name('shop'))?.generations.map(({ generation }) => generation)).toEqual([2]);
  });

  test('keep removes the oldest generations, also when it alone changes', async () => {
    let state = await created();
    for (const n of ['1', '2', '3'])
      state = await definitions().Snapshot.apply(
        { prior: state, inputs: inputsOf({ triggers: { n }, keep: 3 }) },
        context,
      );
    const store = await STORE_TYPES[0]!.open({ path: join(folder, 'store') }, context);
    expect((await store.name('shop'))?.generations.map(({ generation }) => generation)).toEqual([4, 3, 2]);
    await definitions().Snapshot.apply(
      { prior: state, inputs: inputsOf({ triggers: { n: '3' }, keep: 1 }) },
      context,
    );
    expect((await store.name('shop'))?.generations.map(({ generation }) => generation)).toEqual([4]);
  });

  test('a lost snapshot is reported and kept in state: it is never taken again by itself', async () => {
    const state = await created();
    expect(await definitions().Snapshot.read(state, context)).toMatchObject({ problems: [] });
    await rm(join(folder, 'store/blobs'), { recursive: true, force: true });
    const read = await definitions().Snapshot.read(state, context);
    expect(read?.state).toEqual(state);
    expect(read?.problems.map(({ code, severity }) => [code, severity])).toEqual([
      ['snapshot.damaged', 'warning'],
    ]);
    await rm(join(folder, 'store'), { recursive: true, force: true });
    expect((await definitions().Snapshot.read(state, context))?.problems.map(({ code }) => code)).toEqual([
      'snapshot.lost',
    ]);
    expect(await definitions().Snapshot.plan({ prior: state, inputs: inputsOf() }, context)).toMatchObject({
      action: 'none',
    });
  });

  test('removal retains, unless the user said delete; what is pinned stays', async () => {
    const store = await STORE_TYPES[0]!.open({ path: join(folder, 'store') }, context);
    const retained = await created();
    expect(await definitions().Snapshot.delete(retained, context)).toEqual([]);
    expect((await store.name('shop'))?.generations).toHaveLength(1);
    const state = await definitions().Snapshot.apply(
      { prior: retained, inputs: inputsOf({ deletionPolicy: 'delete', triggers: { n: '2' } }) },
      context,
    );
    await store.pin('shop', { by: 'user:audit', digest: retained.outputs.digest as `sha256:${string}` });
    const problems = await definitions().Snapshot.delete(state, context);
    expect(problems.map(({ code }) => code)).toEqual(['snapshot.pinned']);
    expect((await store.name('shop'))?.generations.map(({ generation }) => generation)).toEqual([1]);
  });

  const bad: [string, Values, string, string[]][] = [
    ['a name with a slash', inputsOf({ name: 'a/b' }), 'name.malformed', ['name']],
    ['a member without a driver', inputsOf({ members: { a: {} } }), 'member.no-driver', ['members', 'a']],
    ['an unknown attribute', inputsOf({ pauseMax: 3 }), 'input.unknown-attribute', ['pauseMax']],
    [
      'an unknown attribute of a member',
      inputsOf({}, { palce: 'x' }),
      'input.unknown-attribute',
      ['members', 'a', 'simulated', 'palce'],
    ],
    ['no member', inputsOf({ members: {} }), 'members.none', ['members']],
    ['a pause of zero', inputsOf({ maxPauseMs: 0 }), 'input.invalid', ['maxPauseMs']],
  ];
  test.each(bad)('%s is refused at plan, at its place', async (_name, inputs, code, at) => {
    const { problems } = await definitions().Snapshot.plan({ inputs }, context);
    expect(problems.map((problem) => [problem.code, problem.at])).toContainEqual([code, at]);
    expect(system.calls).toEqual([]);
  });
});

describe('a Restore', () => {
  const restoreInputs = (snapshot: string, overrides: Values = {}, place = 'twin'): Values => ({
    snapshot,
    members: { a: { simulated: { place } } },
    ...overrides,
  });

  async function restored(overrides: Values = {}): Promise<{ photo: ResourceState; twin: ResourceState }> {
    system.state = 7;
    const photo = await created();
    system.state = 0;
    const twin = await definitions().Restore.apply(
      { inputs: restoreInputs(photo.outputs.reference as string, overrides) },
      context,
    );
    return { photo, twin };
  }

  test('restores once, says whether it is the same, and pins its snapshot', async () => {
    const { photo, twin } = await restored();
    expect(system.state).toBe(7);
    expect(twin.outputs).toMatchObject({
      reference: photo.outputs.reference,
      verdict: 'equivalent',
      differences: [],
      safetyReference: '',
    });
    const store = await STORE_TYPES[0]!.open({ path: join(folder, 'store') }, context);
    expect((await store.name('shop'))?.pins).toMatchObject([{ digest: photo.outputs.digest }]);
    await definitions().Restore.delete(twin, context);
    expect((await store.name('shop'))?.pins).toEqual([]);
    expect(system.state).toBe(7);
  });

  test('a newer snapshot does not restore again by itself, and is reported', async () => {
    const { photo, twin } = await restored();
    const next = await definitions().Snapshot.apply(
      { prior: photo, inputs: inputsOf({ triggers: { n: '2' } }) },
      context,
    );
    const change = { prior: twin, inputs: restoreInputs(next.outputs.reference as string) };
    const planned = await definitions().Restore.plan(change, context);
    expect(planned).toMatchObject({ action: 'update', outputs: twin.outputs });
    expect(planned.problems.map(({ code, severity }) => [code, severity])).toEqual([
      ['restore.newer-snapshot', 'warning'],
    ]);
    system.calls.length = 0;
    const state = await definitions().Restore.apply(change, context);
    expect(system.calls).toEqual([]);
    expect(state.outputs.reference).toBe(photo.outputs.reference);
    expect(await definitions().Restore.plan({ ...change, prior: state }, context)).toMatchObject({
      action: 'none',
    });
  });

  test('a target that is not empty is refused at plan, at the member, unless overwrite says so', async () => {
    system.state = 3;
    const photo = await created();
    const inputs = restoreInputs(photo.outputs.reference as string);
    const planned = await definitions().Restore.plan({ inputs }, context);
    expect(planned.problems.map(({ code, at }) => [code, at])).toEqual([
      ['restore.target-not-empty', ['members', 'a', 'simulated']],
    ]);
    await expect(definitions().Restore.apply({ inputs }, context)).rejects.toMatchObject({
      code: 'restore.target-not-empty',
    });
    expect(system.calls).not.toContain('restore');
    const twin = await definitions().Restore.apply({ inputs: { ...inputs, overwrite: true } }, context);
    expect(twin.outputs.safetyReference).toMatch(/^safety-[0-9a-f]+@sha256:/);
  });

  test('the set of targets has to be that of the snapshot', async () => {
    const photo = await created();
    const members = { b: { simulated: { place: 'x' } } };
    const { problems } = await definitions().Restore.plan(
      { inputs: { snapshot: photo.outputs.reference, members } },
      context,
    );
    expect(problems.map(({ code }) => code).sort()).toEqual(['restore.no-member', 'restore.no-target']);
  });

  test.each([
    ['shop:9', 'snapshot.no-generation'],
    ['other', 'snapshot.none'],
    ['Shop!', 'reference.malformed'],
  ])('the snapshot "%s" is refused at plan', async (snapshot, code) => {
    await created();
    const { problems } = await definitions().Restore.plan({ inputs: restoreInputs(snapshot) }, context);
    expect(problems.map((problem) => [problem.code, problem.at])).toEqual([[code, ['snapshot']]]);
  });

  test('a failed restore leaves no pin and the journal clean', async () => {
    system.state = 7;
    const photo = await created();
    system.state = 0;
    const broken = simulatedDriver({
      system,
      mark: true,
      before: (call) => {
        if (call === 'restore') throw new Error('no');
      },
    });
    const services = {
      drivers: [broken],
      storeTypes: STORE_TYPES,
      ...MACHINES,
      version: '0.0.0',
      owner: 'test',
    };
    const [, restore] = makeProvider(services).catalog({ store: { path: join(folder, 'store') } }).resources;
    await expect(
      restore!.apply({ inputs: restoreInputs(photo.outputs.reference as string) }, context),
    ).rejects.toMatchObject({ at: ['members', 'a', 'simulated'] });
    const store = await STORE_TYPES[0]!.open({ path: join(folder, 'store') }, context);
    expect((await store.name('shop'))?.pins).toEqual([]);
    expect(await store.records.list('journal/')).toEqual([]);
  });

  test('of which a part was released keeps the snapshot pinned, and the next apply does the rest', async () => {
    system.state = 7;
    const both = (here: string, there: string) => ({
      a: { simulated: { place: here } },
      b: { simulated: { place: there } },
    });
    const photo = await created({ members: both('here', 'there') });
    const released = new Map<string, string>();
    let fails = true;
    const plain = simulatedDriver({ system, mark: true });
    const driver: Driver = {
      ...plain,
      planRestore: async (spec, ...rest) => {
        const restoredBy = released.get(plain.endpoint(spec));
        return { ...(await plain.planRestore(spec, ...rest)), empty: restoredBy === undefined, restoredBy };
      },
      restore: async (spec, at, from, blobs, options, of) => {
        const place = plain.endpoint(spec);
        const held = await plain.restore(spec, at, from, blobs, options, of);
        const release = async () => {
          if (fails && place.endsWith('twin-b')) throw new StasisError('simulated.stuck', 'It is stuck.');
          released.set(place, options.restoreId);
          await held.release();
        };
        return { ...held, release, [Symbol.asyncDispose]: () => held[Symbol.asyncDispose]() };
      },
    };
    const services = {
      ...{ drivers: [driver], storeTypes: STORE_TYPES, ...MACHINES },
      ...{ version: '0.0.0', owner: 'test' },
    };
    const [, definition] = makeProvider(services).catalog({
      store: { path: join(folder, 'store') },
    }).resources;
    const inputs = { snapshot: photo.outputs.reference as string, members: both('twin-a', 'twin-b') };
    const failure: unknown = await definition!.apply({ inputs }, context).catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: 'restore.release-failed', at: ['members', 'b'] });
    const begun = halfDoneState(failure)!;
    expect(begun.outputs).toEqual({ reference: photo.outputs.reference });
    const store = await STORE_TYPES[0]!.open({ path: join(folder, 'store') }, context);
    expect((await store.name('shop'))?.pins).toMatchObject([{ digest: photo.outputs.digest }]);

    fails = false;
    const change = { prior: begun, inputs };
    expect(await definition!.plan(change, context)).toMatchObject({
      action: 'update',
      id: begun.id,
      problems: [],
      outputs: { verdict: UNKNOWN },
    });
    const twin = await definition!.apply(change, context);
    expect([...released.keys()].sort()).toEqual(['simulated://twin-a', 'simulated://twin-b']);
    expect(twin).toMatchObject({ id: begun.id, outputs: { verdict: 'equivalent' } });
    expect(await definition!.plan({ prior: twin, inputs }, context)).toMatchObject({ action: 'none' });
  });
});
