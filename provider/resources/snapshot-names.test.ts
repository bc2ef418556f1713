import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import {
  context,
  generationOf,
  inputsOf,
  simulatedResources,
} from '../../test/support/simulated/resources.ts';
import type { ResourceState } from '../core/resource.ts';

const rig = simulatedResources();

async function ownerInStore(): Promise<string | undefined> {
  return (await (await rig.store()).name('shop'))?.owner;
}

describe('the name of a Snapshot', () => {
  test('a name has one owner; another is refused at plan and at apply, unless it imports', async () => {
    await rig.created();
    const other = rig.definitions({ owner: 'another project' }).Snapshot;
    const planned = await other.plan({ inputs: inputsOf() }, context);
    expect(planned.problems.map(({ code, at }) => [code, at])).toEqual([['store.owned', ['name']]]);
    await expect(other.apply({ inputs: inputsOf() }, context)).rejects.toMatchObject({ code: 'store.owned' });
    const imported = await other.importState(`${join(rig.folder, 'store')}#shop`, context);
    expect(imported).toMatchObject({ stored: { name: 'shop' }, outputs: { generation: 1, owner: 'test' } });
    const adopted = await other.apply({ prior: imported, inputs: inputsOf() }, context);
    expect(generationOf(adopted)).toBe(1);
    const next = await other.apply({ prior: adopted, inputs: inputsOf({ triggers: { n: '1' } }) }, context);
    expect(generationOf(next)).toBe(2);
    expect(next.outputs.owner).toBe('another project');
  });

  test('an import and its plan write nothing; the first apply takes the name over', async () => {
    const first = await rig.created();
    const other = rig.definitions({ owner: 'another project' }).Snapshot;
    const imported = await other.importState(first.id, context);
    const planned = await other.plan({ prior: imported, inputs: inputsOf() }, context);
    expect(planned).toMatchObject({ problems: [], outputs: { owner: 'another project', generation: 1 } });
    expect(await ownerInStore()).toBe('test');
    expect((await rig.definitions().Snapshot.read(first, context))?.problems).toEqual([]);
    expect((await other.read(imported, context))?.problems).toEqual([]);
    const adopted = await other.apply({ prior: imported, inputs: inputsOf() }, context);
    expect(adopted.outputs).toEqual(planned.outputs);
    expect(await ownerInStore()).toBe('another project');
  });

  test('an import of which the engine alone knows the inputs takes the name over when it captures, or not at all', async () => {
    const first = await rig.created();
    const other = rig.definitions({ owner: 'another project' }).Snapshot;
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
    const late = rig.definitions({ owner: 'a third project' }).Snapshot;
    await expect(late.apply(change, context)).rejects.toMatchObject({ code: 'store.owned' });
  });

  test('a project that has moved goes on with what its state says is its own', async () => {
    const prior = await rig.created();
    const moved = rig.definitions({ owner: 'the same project elsewhere' }).Snapshot;
    const change = { prior, inputs: inputsOf({ triggers: { n: '1' } }) };
    expect((await moved.plan(change, context)).problems).toEqual([]);
    expect((await moved.apply(change, context)).outputs).toMatchObject({ generation: 2, owner: 'test' });
  });

  test('two resources of one project with one name are noticed: in one run refused, later reported', async () => {
    const { Snapshot } = rig.definitions();
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
      (await rig.definitions().Snapshot.read(state, context))?.problems.map(({ code, severity }) => [
        code,
        severity,
      ]);
    expect(await warnings(first)).toEqual([]);
    // Added later, in a run of its own: nothing tells it from one whose state was lost.
    const second = await rig.created();
    expect(await warnings(second)).toEqual([]);
    expect(await warnings(first)).toEqual([['snapshot.newer-generation', 'warning']]);
    const other = rig.definitions({ owner: 'another project' }).Snapshot;
    await other.apply({ prior: await other.importState(second.id, context), inputs: inputsOf() }, context);
    expect(await warnings(second)).toEqual([['snapshot.taken-over', 'warning']]);
  });

  test('a name is created anew where its state was lost, its resource replaced, or its creation failed', async () => {
    const lost = await rig.created();
    const { Snapshot } = rig.definitions();
    const again = await Snapshot.apply({ inputs: inputsOf() }, context);
    expect(again.id).toBe(lost.id);
    await Snapshot.delete(again, context);
    const replaced = await Snapshot.apply({ inputs: inputsOf() }, context);
    expect(generationOf(replaced)).toBe(3);
    const fresh = rig.definitions().Snapshot;
    const signal = AbortSignal.abort();
    await expect(fresh.apply({ inputs: inputsOf() }, { ...context, signal })).rejects.toThrow();
    expect(generationOf(await fresh.apply({ inputs: inputsOf() }, context))).toBe(4);
  });

  test('what replaced it stays when it is removed after that', async () => {
    const old = await rig.created({ deletionPolicy: 'delete' });
    const replacement = await rig.created({ deletionPolicy: 'delete' });
    await rig.definitions().Snapshot.delete(old, context);
    expect((await rig.definitions().Snapshot.read(replacement, context))?.problems).toEqual([]);
    const store = await rig.store();
    expect((await store.name('shop'))?.generations.map(({ generation }) => generation)).toEqual([2]);
  });
});
