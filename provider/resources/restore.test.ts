import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { simulatedDriver } from '../../test/support/simulated/driver.ts';
import { context, inputsOf, simulatedResources } from '../../test/support/simulated/resources.ts';
import type { Driver } from '../core/driver.ts';
import { StasisError } from '../core/errors.ts';
import { halfDoneState, type ResourceState, UNKNOWN, type Values } from '../core/resource.ts';
import { REPORT_SCHEMA } from '../report/schema.ts';

const rig = simulatedResources();

describe('a Restore', () => {
  const restoreInputs = (snapshot: string, overrides: Values = {}, place = 'twin'): Values => ({
    snapshot,
    members: { a: { simulated: { place } } },
    ...overrides,
  });

  async function restored(overrides: Values = {}): Promise<{ photo: ResourceState; twin: ResourceState }> {
    rig.system.state = 7;
    const photo = await rig.created();
    rig.system.state = 0;
    const twin = await rig
      .definitions()
      .Restore.apply({ inputs: restoreInputs(photo.outputs.reference as string, overrides) }, context);
    return { photo, twin };
  }

  test('restores once, says whether it is the same, and pins its snapshot', async () => {
    const { photo, twin } = await restored();
    expect(rig.system.state).toBe(7);
    expect(twin.outputs).toMatchObject({
      reference: photo.outputs.reference,
      verdict: 'equivalent',
      differences: [],
      safetyReference: '',
    });
    const store = await rig.store();
    expect((await store.name('shop'))?.pins).toMatchObject([{ digest: photo.outputs.digest }]);
    await rig.definitions().Restore.delete(twin, context);
    expect((await store.name('shop'))?.pins).toEqual([]);
    expect(rig.system.state).toBe(7);
  });

  test('writes a report where it is told to, again only where another file is named', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'stasis-report-'));
    try {
      const report = join(folder, 'deep/down/report.json');
      const { photo, twin } = await restored({ report });
      const facts = REPORT_SCHEMA.parse(JSON.parse(await readFile(report, 'utf8')));
      expect(facts).toMatchObject({
        reference: photo.outputs.reference,
        outcome: { kind: 'restore', verdict: 'equivalent', members: [{ name: 'a', verdict: 'equivalent' }] },
      });
      await rm(report);
      const inputs = restoreInputs(photo.outputs.reference as string, { report });
      expect(await rig.definitions().Restore.plan({ prior: twin, inputs }, context)).toMatchObject({
        action: 'none',
      });
      rig.system.calls.length = 0;
      const page = { ...inputs, report: join(folder, 'report.html') };
      expect(await rig.definitions().Restore.plan({ prior: twin, inputs: page }, context)).toMatchObject({
        action: 'update',
        outputs: twin.outputs,
      });
      await rig.definitions().Restore.apply({ prior: twin, inputs: page }, context);
      expect(rig.system.calls).toEqual([]);
      expect(await readFile(join(folder, 'report.html'), 'utf8')).toContain(
        'Is the restored application the same?',
      );
      await expect(readFile(report)).rejects.toMatchObject({ code: 'ENOENT' });
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });

  test('a fence stops the originals, restores their final photograph and stays; what cannot be fenced is refused', async () => {
    const plain = simulatedDriver({ system: rig.system, mark: true, watch: true });
    const calls: string[] = [];
    const fence: NonNullable<Driver['fence']> = {
      obstacles: async () => [],
      raise: async (_spec, _at, journal) => {
        await journal({ fenced: true });
        calls.push('raise');
      },
    };
    const fenced: Driver = { ...plain, fence, undo: async () => void calls.push('lift') };
    // Others write until the fence is up, and the target is the same counter.
    const targeted: Driver = {
      ...fenced,
      planRestore: async () => ({ problems: [], identities: [], sizeBytes: 1, empty: true }),
    };
    rig.system.state = 7;
    const photo = await rig.created();
    const original = { a: { simulated: { place: 'here', password: 'hunter2' } } };
    const inputs = restoreInputs(photo.outputs.reference as string, { fence: true, original });
    const plannedBy = async (driver: Driver, values: Values): Promise<unknown> => {
      const { problems } = await rig.definitions({ driver }).Restore.plan({ inputs: values }, context);
      return problems.map(({ code, at }) => [code, at]);
    };
    const { original: _left, ...without } = inputs;
    expect(await plannedBy(targeted, without)).toEqual([['fence.no-original', ['original']]]);
    const { fence: _none, ...unable } = targeted;
    expect(await plannedBy(unable, inputs)).toEqual([['fence.refused', ['original', 'a', 'simulated']]]);
    expect(await plannedBy(targeted, { ...inputs, original: { ...original, b: original.a } })).toEqual([
      ['original.unknown', ['original', 'b']],
    ]);
    expect(await plannedBy(targeted, inputs)).toEqual([]);

    rig.system.state = 9;
    const { Restore } = rig.definitions({ driver: targeted });
    const failing = { ...inputs, verify: 'identical' };
    await expect(Restore.apply({ inputs: failing }, context)).rejects.toMatchObject({
      code: 'restore.drifted',
    });
    expect(calls).toEqual(['raise', 'lift']);
    const store = await rig.store();
    expect(await store.records.list('journal/')).toEqual([]);

    const twin = await Restore.apply({ inputs }, context);
    expect(calls).toEqual(['raise', 'lift', 'raise']);
    expect(twin.outputs).toMatchObject({ verdict: 'equivalent' });
    expect(twin.outputs.reference).toMatch(/^final-[0-9a-f]{32}@sha256:/);
    expect(rig.system.state).toBe(9);
    expect(await store.records.list('journal/')).toEqual([]);
    const [name] = String(twin.outputs.reference).split('@');
    expect((await store.name(name!))?.pins).toHaveLength(1);
    expect((await store.name('shop'))?.pins).toEqual([]);
    expect(JSON.stringify(twin)).not.toContain('hunter2');
  });

  test('refuses at plan a report of no known form, or in a place that cannot be written to', async () => {
    const photo = await rig.created();
    const codesFor = async (report: string): Promise<unknown> => {
      const inputs = restoreInputs(photo.outputs.reference as string, { report });
      const { problems } = await rig.definitions().Restore.plan({ inputs }, context);
      return problems.filter(({ at }) => at[0] === 'report').map(({ code }) => code);
    };
    expect(await codesFor('report.pdf')).toEqual(['input.invalid']);
    expect(await codesFor('/dev/null/report.html')).toEqual(['report.unwritable']);
    expect(await codesFor('report.html')).toEqual([]);
  });

  test('a newer snapshot does not restore again by itself, and is reported', async () => {
    const { photo, twin } = await restored();
    const next = await rig
      .definitions()
      .Snapshot.apply({ prior: photo, inputs: inputsOf({ triggers: { n: '2' } }) }, context);
    const change = { prior: twin, inputs: restoreInputs(next.outputs.reference as string) };
    const planned = await rig.definitions().Restore.plan(change, context);
    expect(planned).toMatchObject({ action: 'update', outputs: twin.outputs });
    expect(planned.problems.map(({ code, severity }) => [code, severity])).toEqual([
      ['restore.newer-snapshot', 'warning'],
    ]);
    rig.system.calls.length = 0;
    const state = await rig.definitions().Restore.apply(change, context);
    expect(rig.system.calls).toEqual([]);
    expect(state.outputs.reference).toBe(photo.outputs.reference);
    expect(await rig.definitions().Restore.plan({ ...change, prior: state }, context)).toMatchObject({
      action: 'none',
    });
  });

  test('a target that is not empty is refused at plan, at the member, unless overwrite says so', async () => {
    rig.system.state = 3;
    const photo = await rig.created();
    const inputs = restoreInputs(photo.outputs.reference as string);
    const planned = await rig.definitions().Restore.plan({ inputs }, context);
    expect(planned.problems.map(({ code, at }) => [code, at])).toEqual([
      ['restore.target-not-empty', ['members', 'a', 'simulated']],
    ]);
    await expect(rig.definitions().Restore.apply({ inputs }, context)).rejects.toMatchObject({
      code: 'restore.target-not-empty',
    });
    expect(rig.system.calls).not.toContain('restore');
    const twin = await rig.definitions().Restore.apply({ inputs: { ...inputs, overwrite: true } }, context);
    expect(twin.outputs.safetyReference).toMatch(/^safety-[0-9a-f]+@sha256:/);
  });

  test('the set of targets has to be that of the snapshot', async () => {
    const photo = await rig.created();
    const members = { b: { simulated: { place: 'x' } } };
    const { problems } = await rig
      .definitions()
      .Restore.plan({ inputs: { snapshot: photo.outputs.reference, members } }, context);
    expect(problems.map(({ code }) => code).sort()).toEqual(['restore.no-member', 'restore.no-target']);
  });

  test.each([
    ['shop:9', 'snapshot.no-generation'],
    ['other', 'snapshot.none'],
    ['Shop!', 'reference.malformed'],
  ])('the snapshot "%s" is refused at plan', async (snapshot, code) => {
    await rig.created();
    const { problems } = await rig.definitions().Restore.plan({ inputs: restoreInputs(snapshot) }, context);
    expect(problems.map((problem) => [problem.code, problem.at])).toEqual([[code, ['snapshot']]]);
  });

  test('a failed restore leaves no pin and the journal clean', async () => {
    rig.system.state = 7;
    const photo = await rig.created();
    rig.system.state = 0;
    const broken = simulatedDriver({
      system: rig.system,
      mark: true,
      before: (call) => {
        if (call === 'restore') throw new Error('no');
      },
    });
    const { Restore } = rig.definitions({ driver: broken });
    await expect(
      Restore.apply({ inputs: restoreInputs(photo.outputs.reference as string) }, context),
    ).rejects.toMatchObject({ at: ['members', 'a', 'simulated'] });
    const store = await rig.store();
    expect((await store.name('shop'))?.pins).toEqual([]);
    expect(await store.records.list('journal/')).toEqual([]);
  });

  test('of which a part was released keeps the snapshot pinned, and the next apply does the rest', async () => {
    rig.system.state = 7;
    const both = (here: string, there: string) => ({
      a: { simulated: { place: here } },
      b: { simulated: { place: there } },
    });
    const photo = await rig.created({ members: both('here', 'there') });
    const released = new Map<string, string>();
    let fails = true;
    const plain = simulatedDriver({ system: rig.system, mark: true });
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
    const definition = rig.definitions({ driver }).Restore;
    const inputs = { snapshot: photo.outputs.reference as string, members: both('twin-a', 'twin-b') };
    const failure: unknown = await definition.apply({ inputs }, context).catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: 'restore.release-failed', at: ['members', 'b'] });
    const begun = halfDoneState(failure)!;
    expect(begun.outputs).toEqual({ reference: photo.outputs.reference });
    const store = await rig.store();
    expect((await store.name('shop'))?.pins).toMatchObject([{ digest: photo.outputs.digest }]);

    fails = false;
    const change = { prior: begun, inputs };
    expect(await definition.plan(change, context)).toMatchObject({
      action: 'update',
      id: begun.id,
      problems: [],
      outputs: { verdict: UNKNOWN },
    });
    const twin = await definition.apply(change, context);
    expect([...released.keys()].sort()).toEqual(['simulated://twin-a', 'simulated://twin-b']);
    expect(twin).toMatchObject({ id: begun.id, outputs: { verdict: 'equivalent' } });
    expect(await definition.plan({ prior: twin, inputs }, context)).toMatchObject({ action: 'none' });
  });
});
