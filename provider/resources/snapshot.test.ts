import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import {
  context,
  generationOf,
  inputsOf,
  simulatedResources,
} from '../../test/support/simulated/resources.ts';
import { UNKNOWN, type Values } from '../core/resource.ts';

const rig = simulatedResources();

describe('a Snapshot', () => {
  test('captures when it is created; its state holds endpoints and no secret', async () => {
    const state = await rig.created();
    expect(state.id).toBe(`${join(rig.folder, 'store')}#shop`);
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
    const prior = await rig.created();
    const change = { prior, inputs: inputsOf(overrides, member) };
    const planned = await rig.definitions().Snapshot.plan(change, context);
    expect(planned.outputs).toEqual(prior.outputs);
    expect(planned.problems).toEqual([]);
    rig.system.calls.length = 0;
    expect(generationOf(await rig.definitions().Snapshot.apply(change, context))).toBe(1);
    expect(rig.system.calls).toEqual([]);
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
    const prior = await rig.created();
    const change = { prior, inputs: inputsOf(overrides, member) };
    const planned = await rig.definitions().Snapshot.plan(change, context);
    expect(planned).toMatchObject({ action: 'update', replace: [], id: prior.id });
    expect(planned.outputs.reference).toBe(UNKNOWN);
    const state = await rig.definitions().Snapshot.apply(change, context);
    expect(generationOf(state)).toBe(2);
    expect(state.id).toBe(prior.id);
  });

  test('a plan with nothing to change contacts no member', async () => {
    const prior = await rig.created();
    rig.system.calls.length = 0;
    const planned = await rig.definitions().Snapshot.plan({ prior, inputs: inputsOf() }, context);
    expect(planned).toMatchObject({ action: 'none', problems: [] });
    expect(rig.system.calls).toEqual([]);
  });

  test('what is unknown is planned as such, and decided at apply', async () => {
    const first = await rig
      .definitions()
      .Snapshot.plan({ inputs: inputsOf({}, { place: UNKNOWN }) }, context);
    expect(first.problems).toEqual([]);
    expect(first.stored.members).toEqual({ a: { simulated: { place: UNKNOWN, endpoint: UNKNOWN } } });
    const prior = await rig.created();
    const planned = await rig
      .definitions()
      .Snapshot.plan({ prior, inputs: inputsOf({}, { place: UNKNOWN }) }, context);
    expect(planned).toMatchObject({ action: 'update' });
    expect(planned.outputs.generation).toBe(UNKNOWN);
    expect(generationOf(await rig.definitions().Snapshot.apply({ prior, inputs: inputsOf() }, context))).toBe(
      1,
    );
  });

  test('another name or another store is another resource', async () => {
    const prior = await rig.created();
    const renamed = await rig
      .definitions()
      .Snapshot.plan({ prior, inputs: inputsOf({ name: 'store-front' }) }, context);
    expect(renamed).toMatchObject({
      action: 'replace',
      replace: [['name']],
      id: `${join(rig.folder, 'store')}#store-front`,
    });
    const moved = await rig
      .definitions()
      .Snapshot.plan({ prior, inputs: inputsOf({ store: { path: join(rig.folder, 'other') } }) }, context);
    expect(moved).toMatchObject({ action: 'replace', replace: [['store']] });
  });

  test('keep removes the oldest generations, also when it alone changes', async () => {
    let state = await rig.created();
    for (const n of ['1', '2', '3'])
      state = await rig
        .definitions()
        .Snapshot.apply({ prior: state, inputs: inputsOf({ triggers: { n }, keep: 3 }) }, context);
    const store = await rig.store();
    expect((await store.name('shop'))?.generations.map(({ generation }) => generation)).toEqual([4, 3, 2]);
    await rig
      .definitions()
      .Snapshot.apply({ prior: state, inputs: inputsOf({ triggers: { n: '3' }, keep: 1 }) }, context);
    expect((await store.name('shop'))?.generations.map(({ generation }) => generation)).toEqual([4]);
  });

  test('a lost snapshot is reported and kept in state: it is never taken again by itself', async () => {
    const state = await rig.created();
    expect(await rig.definitions().Snapshot.read(state, context)).toMatchObject({ problems: [] });
    await rm(join(rig.folder, 'store/blobs'), { recursive: true, force: true });
    const read = await rig.definitions().Snapshot.read(state, context);
    expect(read?.state).toEqual(state);
    expect(read?.problems.map(({ code, severity }) => [code, severity])).toEqual([
      ['snapshot.damaged', 'warning'],
    ]);
    await rm(join(rig.folder, 'store'), { recursive: true, force: true });
    expect((await rig.definitions().Snapshot.read(state, context))?.problems.map(({ code }) => code)).toEqual(
      ['snapshot.lost'],
    );
    expect(
      await rig.definitions().Snapshot.plan({ prior: state, inputs: inputsOf() }, context),
    ).toMatchObject({
      action: 'none',
    });
  });

  test('removal retains, unless the user said delete; what is pinned stays', async () => {
    const store = await rig.store();
    const retained = await rig.created();
    expect(await rig.definitions().Snapshot.delete(retained, context)).toEqual([]);
    expect((await store.name('shop'))?.generations).toHaveLength(1);
    const state = await rig
      .definitions()
      .Snapshot.apply(
        { prior: retained, inputs: inputsOf({ deletionPolicy: 'delete', triggers: { n: '2' } }) },
        context,
      );
    await store.pin('shop', { by: 'user:audit', digest: retained.outputs.digest as `sha256:${string}` });
    const problems = await rig.definitions().Snapshot.delete(state, context);
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
    const { problems } = await rig.definitions().Snapshot.plan({ inputs }, context);
    expect(problems.map((problem) => [problem.code, problem.at])).toContainEqual([code, at]);
    expect(rig.system.calls).toEqual([]);
  });
});
