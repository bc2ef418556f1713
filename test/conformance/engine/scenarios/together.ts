import { cp } from 'node:fs/promises';
import { expect } from '@jest/globals';
import { testContext } from '../../../support/context.ts';
import type { Scenario } from '../suite.ts';
import type { ScenarioName } from '../table.ts';

export const TOGETHER = {
  async 'two resources at once on one store'(desk) {
    const place = await desk.fresh();
    const names = ['one', 'two'] as const;
    for (const name of names) await cp(place.path('site'), place.path(name), { recursive: true });
    const resources = names.map((name) =>
      place.snapshot({ id: name, name, members: { site: { files: { path: place.path(name) } } } }),
    );
    await desk.apply({ resources });
    const store = await place.openStore();
    for (const name of names) {
      const made = await desk.project.remembered(name);
      expect(made).toMatchObject({ generation: 1, sharp: true });
      const [sealed] = (await store.name(name))!.generations;
      expect(made?.reference).toBe(`${name}@${sealed!.digest}`);
      expect(await store.verify(sealed!.digest, 'content', testContext())).toEqual([]);
    }
  },
} satisfies Partial<Record<ScenarioName, Scenario>>;
