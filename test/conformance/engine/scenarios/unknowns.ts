import { expect } from '@jest/globals';
import { parseReference } from '../../../../provider/core/reference.ts';
import type { Scenario } from '../suite.ts';
import type { ScenarioName } from '../table.ts';

export const UNKNOWNS = {
  async 'unknown inputs in the plan that creates the database'(desk) {
    const place = await desk.fresh();
    const { postgres } = desk.servers;
    const databases = () => postgres.query("SELECT 1 FROM pg_database WHERE datname = 'to_be'");
    const members = {
      site: { files: { path: place.path('site') } },
      orders: { postgres: { url: { from: ['database', 'url'] } } },
    } as const;
    await desk.project.write({
      resources: [
        { kind: 'Database', id: 'database', wanted: { secret: 'database_to_be' } },
        place.snapshot({ members }),
      ],
    });
    const planned = await desk.ok('plan');
    expect(planned.actions).toEqual({ shop: 'create' });
    expect(await databases()).toEqual([]);
    await desk.ok('apply');
    expect(await databases()).toHaveLength(1);
    expect(await desk.project.remembered('shop')).toMatchObject({ generation: 1, sharp: true });
    const { reference } = (await desk.project.remembered('shop')) ?? {};
    const manifest = await place.manifest(parseReference(String(reference)));
    expect(manifest.members.orders?.endpoint).toMatch(/\/to_be$/);
    expect((await desk.ok('plan')).actions).toEqual({});
  },
} satisfies Partial<Record<ScenarioName, Scenario>>;
