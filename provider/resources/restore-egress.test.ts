import { describe, expect, test } from '@jest/globals';
import { z } from 'zod';
import { simulatedDriver } from '../../test/support/simulated/driver.ts';
import { context, simulatedResources } from '../../test/support/simulated/resources.ts';
import type { Driver } from '../core/driver.ts';
import { type ResourceState, UNKNOWN, type Values } from '../core/resource.ts';

const rig = simulatedResources();

describe('what a Restore has let go', () => {
  const restoreInputs = (snapshot: string, overrides: Values = {}): Values => ({
    snapshot,
    members: { a: { simulated: { place: 'twin' } } },
    ...overrides,
  });
  const photographed = async (): Promise<string> => {
    rig.system.state = 7;
    const photo = await rig.created();
    rig.system.state = 0;
    return photo.outputs.reference as string;
  };

  test('a change of egress alone sets it in place and restores nothing again; a server that is not ours is told of', async () => {
    const set: unknown[] = [];
    const plain = simulatedDriver({ system: rig.system, mark: true, watch: true });
    const driver: Driver = {
      ...plain,
      egress: { set: async (spec, _at, egress, restoreId) => void set.push([spec, egress, restoreId]) },
    };
    const definition = rig.definitions({ driver }).Restore;
    rig.system.state = 7;
    const photo = await rig.created();
    rig.system.state = 0;
    const blocked = restoreInputs(photo.outputs.reference as string, { egress: 'blocked' });
    expect((await definition.plan({ inputs: blocked }, context)).problems).toEqual([]);
    const twin = await definition.apply({ inputs: blocked }, context);
    expect(set).toEqual([]);
    rig.system.calls.length = 0;
    const opened = { ...blocked, egress: 'open' };
    expect(await definition.plan({ prior: twin, inputs: opened }, context)).toMatchObject({
      action: 'update',
      problems: [],
      outputs: twin.outputs,
    });
    const after = await definition.apply({ prior: twin, inputs: opened }, context);
    expect(set).toEqual([[{ place: 'twin' }, 'open', twin.id.split('#')[1]]]);
    expect(rig.system.calls).toEqual([]);
    expect(after.outputs).toEqual(twin.outputs);
    const unsaid = restoreInputs(photo.outputs.reference as string);
    await definition.apply({ prior: after, inputs: unsaid }, context);
    expect(set).toHaveLength(1);

    const codes = async (one: Driver): Promise<unknown> => {
      rig.system.state = 0;
      const { problems } = await rig.definitions({ driver: one }).Restore.plan({ inputs: blocked }, context);
      return problems.map(({ code, severity, at }) => [code, severity, at]);
    };
    expect(await codes(plain)).toEqual([
      ['restore.egress-not-blocked', 'warning', ['members', 'a', 'simulated']],
    ]);
    expect(await codes({ ...plain, traits: { ...plain.traits, inert: true } })).toEqual([]);
  });

  test('how it is connected is set in place too, and restores nothing again', async () => {
    const set: unknown[] = [];
    const plain = simulatedDriver({ system: rig.system, mark: true, watch: true });
    const driver: Driver = {
      ...plain,
      spec: z.strictObject({
        ...plain.spec.shape,
        doors: z.array(z.string()).optional().describe('The ways in.').meta({ role: 'network' }),
      }),
      egress: { set: async (spec, _at, egress, restoreId) => void set.push([spec, egress, restoreId]) },
    };
    const definition = rig.definitions({ driver }).Restore;
    const reference = await photographed();
    const withDoors = (doors?: unknown, patience?: number): Values =>
      restoreInputs(reference, { members: { a: { simulated: { place: 'twin', doors, patience } } } });
    const twin = await definition.apply({ inputs: withDoors(['front']) }, context);
    rig.system.calls.length = 0;
    const change = async (prior: ResourceState, inputs: Values): Promise<ResourceState> => {
      expect(await definition.plan({ prior, inputs }, context)).toMatchObject({
        ...{ action: 'update', problems: [], outputs: twin.outputs },
      });
      return definition.apply({ prior, inputs }, context);
    };
    const id = twin.id.split('#')[1];
    const later = await change(twin, withDoors(['front', 'back']));
    expect(set).toEqual([[{ place: 'twin', doors: ['front', 'back'] }, 'open', id]]);
    const closed = await change(later, withDoors());
    expect(set.slice(1)).toEqual([[{ place: 'twin' }, 'open', id]]);
    await change(closed, withDoors(undefined, 7));
    expect(set).toHaveLength(2);
    expect(rig.system.calls).toEqual([]);
    const unknown = await definition.plan({ prior: twin, inputs: withDoors(UNKNOWN) }, context);
    expect(unknown).toMatchObject({ action: 'update', outputs: twin.outputs });
  });
});
