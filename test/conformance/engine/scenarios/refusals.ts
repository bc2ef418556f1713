import { existsSync } from 'node:fs';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { expect } from '@jest/globals';
import type { Desk, Place } from '../desk.ts';
import type { MemberModel, SnapshotModel } from '../program.ts';
import { PLANTED } from '../servers.ts';
import type { Scenario } from '../suite.ts';
import { MISTAKES, type MistakeName, type ScenarioName } from '../table.ts';
import type { Problem } from '../way.ts';

interface Mistake {
  readonly wrong: (place: Place) => Partial<SnapshotModel>;
  /** Where and what the user is told. */
  readonly at: RegExp;
  readonly code: RegExp;
}

const ORDERS: MemberModel = { postgres: { url: { secret: 'orders' } } };

const WRONG: Readonly<Record<MistakeName, Mistake>> = {
  'a member without a driver': {
    wrong: () => ({ members: { orders: {} } }),
    at: /^members\.orders$/,
    code: /^member\.no-driver$/,
  },
  'a member with two drivers': {
    wrong: (place) => ({ members: { orders: { ...ORDERS, files: { path: place.path('site') } } } }),
    at: /^members\.orders$/,
    code: /^member\.two-drivers$/,
  },
  'a name with a slash': { wrong: () => ({ name: 'shop/eu' }), at: /^name$/, code: /^name\.malformed$/ },
  'a limit that is none': {
    wrong: () => ({ maxPauseMs: -5 }),
    at: /^maxPauseMs$/,
    code: /^input\.invalid$/,
  },
  'two members on one database': {
    wrong: () => ({ members: { orders: ORDERS, again: ORDERS } }),
    at: /^members\.(again|orders)\.postgres$/,
    code: /^members\.same-system$/,
  },
  'a folder that is not there': {
    wrong: (place) => ({ members: { site: { files: { path: place.path('nowhere') } } } }),
    at: /^members\.site\.files\.path$/,
    code: /^files\./,
  },
  'a server that cannot be reached': {
    wrong: () => ({ members: { orders: { postgres: { url: { secret: 'unreachable' } } } } }),
    at: /^members\.orders\.postgres\.url$/,
    code: /^postgres\.unreachable$/,
  },
  'a wrong password': {
    wrong: () => ({ members: { orders: { postgres: { url: { secret: 'wrong_password' } } } } }),
    at: /^members\.orders\.postgres\.url$/,
    code: /^postgres\.[a-z-]+$/,
  },
  'a client program that is not there': {
    wrong: () => ({
      members: { orders: { postgres: { url: { secret: 'orders' }, clientPath: '/nowhere' } } },
    }),
    at: /^members\.orders\.postgres\.clientPath$/,
    code: /^postgres\.client-missing$/,
  },
  'a store that is a file': {
    wrong: (place) => ({ store: { path: place.path('file') } }),
    at: /^store(\.path)?$/,
    code: /^store\.not-a-folder$/,
  },
};

export const REFUSALS = {
  async 'target not empty'(desk) {
    const place = await desk.created();
    await mkdir(place.path('full'), { recursive: true });
    await writeFile(place.path('full/mine.txt'), 'mine\n');
    const members = { site: { files: { path: place.path('full') } } };
    const { reference } = (await desk.project.remembered('shop')) ?? {};
    const copy = place.restore({ id: 'copy', snapshot: String(reference), members });
    await desk.project.write({ resources: [place.snapshot(), place.restore(), copy] });
    const { succeeded, problems } = await desk.run('plan');
    expect(succeeded).toBe(false);
    expect(problems).toContainEqual({
      ...{ severity: 'error', resource: 'copy', code: 'restore.target-not-empty' },
      at: expect.stringMatching(/^members\.site\.files(\.path)?$/),
    });
    expect(await readdir(place.path('full'))).toEqual(['mine.txt']);
  },

  ...(Object.fromEntries(
    MISTAKES.map((name) => [`bad input: ${name}`, (desk: Desk) => expectRefused(desk, name)]),
  ) as Readonly<Record<`bad input: ${MistakeName}`, Scenario>>),
} satisfies Partial<Record<ScenarioName, Scenario>>;

/** The plan tells it, at the user's own attribute. */
async function expectRefused(desk: Desk, name: MistakeName): Promise<void> {
  const { at, code } = WRONG[name];
  const { problems, text, place } = await planned(desk, name);
  const found = problems.filter(({ severity }) => severity === 'error');
  expect(found).toEqual([
    expect.objectContaining({
      at: expect.stringMatching(at),
      code: expect.stringMatching(code),
    }),
  ]);
  expect(text).not.toContain(PLANTED);
  expect(existsSync(place.store.path)).toBe(false);
}

interface Told {
  readonly place: Place;
  readonly problems: readonly Problem[];
  readonly text: string;
}

/** What plans have told already, of each desk. */
const TOLD = new WeakMap<Desk, Promise<ReadonlyMap<string, Told>>>();

async function planned(desk: Desk, name: MistakeName): Promise<Told> {
  const told = TOLD.get(desk) ?? planAll(desk);
  TOLD.set(desk, told);
  const one = (await told).get(idOf(name));
  if (one === undefined) throw new Error(`no plan told anything about ${name}`);
  return one;
}

const idOf = (name: MistakeName) => `bad-${MISTAKES.indexOf(name)}`;

/**
 * One program with every mistake; then one without those that were told, as an engine may stop at the first ones that
 * it finds. Where a plan tells nothing of any resource, the next mistake is made alone.
 */
async function planAll(desk: Desk): Promise<ReadonlyMap<string, Told>> {
  const place = await desk.fresh();
  const told = new Map<string, Told>();
  const plan = async (names: readonly MistakeName[]): Promise<Told> => {
    await desk.project.write({ resources: names.map((name) => mistaken(place, name)) });
    const { succeeded, problems, text } = await desk.run('plan');
    expect(succeeded).toBe(false);
    return { place, text, problems };
  };
  for (;;) {
    const left = MISTAKES.filter((name) => !told.has(idOf(name)));
    const [next] = left;
    if (next === undefined) return told;
    const all = await plan(left);
    for (const id of left.map(idOf)) {
      const problems = all.problems.filter(({ resource }) => resource === id);
      if (problems.length > 0) told.set(id, { ...all, problems });
    }
    if (left.every((name) => !told.has(idOf(name)))) told.set(idOf(next), await plan([next]));
  }
}

function mistaken(place: Place, name: MistakeName): SnapshotModel {
  const id = idOf(name);
  return place.snapshot({ id, name: id, ...WRONG[name].wrong(place) });
}
