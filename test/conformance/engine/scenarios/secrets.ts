import { expect } from '@jest/globals';
import type { Desk } from '../desk.ts';
import type { Program } from '../program.ts';
import { PLANTED, SHOP, SHOP_PASSWORD } from '../servers.ts';
import type { Scenario } from '../suite.ts';
import { type ScenarioName, whyImpossible } from '../table.ts';
import { holding, watched } from '../watching.ts';

export const SECRETS = {
  async 'secret nowhere'(desk) {
    const place = await desk.fresh();
    const program = (release: string): Program => ({
      resources: [
        place.snapshot({
          triggers: { release },
          members: {
            orders: { postgres: { url: { secret: 'orders_of_shop' } } },
            carts: { redis: { url: { secret: 'carts' } } },
          },
        }),
        place.restore({
          members: {
            orders: { postgres: { url: { secret: 'twin_orders' } } },
            carts: { redis: { url: { secret: 'twin_carts' } } },
          },
        }),
      ],
    });
    await desk.project.write(program('1'));
    const texts = [(await desk.run('plan', { traced: true })).text];
    const [applied, commands] = await watched(desk.run('apply', { traced: true }));
    texts.push(applied.text, ...commands);
    expect(applied.succeeded ? '' : applied.text).toBe('');
    expect(
      await desk.servers.postgres.query('SELECT count(*)::int AS n FROM orders', { database: 'twin' }),
    ).toEqual([{ n: 500 }]);
    expect(await desk.servers.gated.cli('GET', 'cart:99')).toBe('item-99');

    texts.push(await sayOfWrongPassword(desk, program('2')));
    expect(texts.at(-1)).toContain('postgres');
    if (whyImpossible(desk.way, 'delete with retain') === undefined)
      texts.push((await desk.run('refresh', { traced: true })).text);
    expect(texts.filter((text) => text.includes(PLANTED)).map(aroundPlanted)).toEqual([]);
    for (const folder of [desk.folder, place.folder]) expect(await holding(folder, PLANTED)).toEqual([]);
    // The same search finds what may be known.
    expect((await holding(desk.folder, 'shop@sha256:')).length).toBeGreaterThan(0);
    const endpoint = `127.0.0.1:${desk.servers.postgres.port}/orders`;
    expect((await holding(place.folder, endpoint)).length).toBeGreaterThan(0);
  },
} satisfies Partial<Record<ScenarioName, Scenario>>;

/** What is said when the password has been changed since, and so is part of an error. */
async function sayOfWrongPassword({ project, servers }: Desk, program: Program): Promise<string> {
  const alter = (password: string) => servers.postgres.query(`ALTER ROLE ${SHOP} PASSWORD '${password}'`);
  await alter('another');
  try {
    await project.write(program);
    const started = await project.start('apply', { traced: true });
    const { succeeded, text } = await started.finished;
    expect(succeeded).toBe(false);
    return text;
  } finally {
    await alter(SHOP_PASSWORD);
  }
}

function aroundPlanted(text: string): string {
  const at = text.indexOf(PLANTED);
  return text.slice(Math.max(0, at - 200), at + 40);
}
