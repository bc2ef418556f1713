import { describe, expect, test } from '@jest/globals';
import { SimulatedSystem, simulatedDriver } from '../../test/support/simulated/driver.ts';
import { context, simulatedResources } from '../../test/support/simulated/resources.ts';
import type { Driver } from '../core/driver.ts';
import { otherLog } from '../core/log-position.ts';
import { localHost } from '../hosts/local/host.ts';
import type { OpenSnapshot } from './compare.ts';
import { lostWork, originalProblems } from './lost-work.ts';
import type { Member } from './member.ts';

const rig = simulatedResources();
const system = new SimulatedSystem();
const driver = simulatedDriver({ system, mark: true, watch: true });

function original(name = 'a', by: Driver = driver): Member {
  return { name, driver: by, spec: { place: 'here' }, host: localHost() };
}

async function photographedAt(state: number): Promise<OpenSnapshot> {
  rig.system.state = state;
  const photo = await rig.created();
  const store = await rig.store();
  return store.open('shop', photo.outputs.digest as never, context);
}

describe('lost work', () => {
  test('is what an original has done since the cut, by name', async () => {
    const snapshot = await photographedAt(7);
    system.state = 9;
    const wallMs = (): number => Date.parse(snapshot.manifest.cutAt) + 31_000;
    const later = { ...context, clock: { ...context.clock, wallMs } };
    const { a } = await lostWork(snapshot, [original()], later);
    expect(a).toMatchObject({ read: true, sinceCutMs: 31_000, differenceCount: 1, changes: {} });
    expect(a!.differences).toMatchObject([{ member: 'a', object: 'state', kind: 'changed' }]);
    expect(a!.message).toMatch(/^1 object changed in the 31 s since the cut: state \(/);
  });

  test('is none of an original that stood still', async () => {
    const snapshot = await photographedAt(7);
    system.state = 7;
    const { a } = await lostWork(snapshot, [original()], context);
    expect(a).toMatchObject({ read: true, differenceCount: 0, differences: [] });
    expect(a!.message).toMatch(/^Nothing was changed/);
  });

  test('is not known of an original that is out of reach, of one that runs in memory, and when interrupted', async () => {
    const snapshot = await photographedAt(7);
    const lost = { ...driver, observe: () => Promise.reject(new Error('no route to it')) };
    const found = await lostWork(snapshot, [original('a', lost)], context);
    expect(found.a).toMatchObject({ read: false, message: 'It could not be read: no route to it' });
    const inMemory = { ...driver, traits: { ...driver.traits, layers: ['runtime' as const] } };
    expect((await lostWork(snapshot, [original('a', inMemory)], context)).a).toMatchObject({
      read: false,
      message: expect.stringMatching(/^It is not stopped to be looked at/),
    });
    const never = { ...driver, observe: () => new Promise<never>(() => {}) };
    const ended = await lostWork(snapshot, [original('a', never)], {
      ...context,
      signal: AbortSignal.timeout(50),
    });
    expect(ended.a).toMatchObject({
      read: false,
      message: expect.stringMatching(/^It could not be read: /),
    });
  });

  test('tells how far the log of an original has come, also where the original itself cannot be read', async () => {
    const photo = await photographedAt(7);
    const position = { log: 'one', at: '0/10', transactions: '3' };
    const members = { a: { ...photo.manifest.members.a!, position } };
    const snapshot = { ...photo, manifest: { ...photo.manifest, members } };
    const log = { atCut: '0/10', now: '0/90', bytes: 1_500, transactions: 4 };
    const logged: Driver = {
      ...driver,
      progress: async (_spec, _at, since) => {
        expect(since).toEqual(position);
        return log;
      },
    };
    const sentence = 'Its log went from 0/10 to 0/90 (4 transactions, 1.5 kB).';
    system.state = 7;
    const { a } = await lostWork(snapshot, [original('a', logged)], context);
    expect(a).toMatchObject({ read: true, log });
    expect(a!.message).toMatch(/^Nothing was changed in the .* since the cut\. /);
    expect(a!.message.endsWith(sentence)).toBe(true);
    const lost = { ...logged, observe: () => Promise.reject(new Error('no route to it')) };
    expect((await lostWork(snapshot, [original('a', lost)], context)).a).toMatchObject({
      ...{ read: false, log },
      message: `It could not be read: no route to it ${sentence}`,
    });
    const other = { ...logged, progress: () => Promise.reject(otherLog('0/10')) };
    const found = (await lostWork(snapshot, [original('a', other)], context)).a!;
    expect(found).not.toHaveProperty('log');
    expect(found.message).toMatch(/Of its log nothing is known: It writes another log now/);
    // A snapshot of a member without a log says nothing of it.
    expect((await lostWork(photo, [original('a', logged)], context)).a!.message).not.toMatch(/log/);
  });

  test('of a member that the snapshot has not, or has of another driver, is refused at that original', async () => {
    const snapshot = await photographedAt(7);
    const problems = originalProblems(snapshot, [
      original(),
      original('b'),
      { ...original('a', { ...driver, name: 'other' }) },
    ]);
    expect(problems.map(({ code, at }) => [code, at])).toEqual([
      ['original.unknown', ['original', 'b']],
      ['original.other-driver', ['original', 'a', 'other']],
    ]);
  });
});
