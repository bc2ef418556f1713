import { expect, test } from '@jest/globals';
import type { FieldRole } from '../../../provider/core/driver.ts';
import { metaOf } from '../../../provider/core/schema.ts';
import { testContext } from '../../support/context.ts';
import type { DriverAdapter, System } from './adapter.ts';
import { codeOf, host, undisturbed } from './support.ts';

const ROLES: readonly FieldRole[] = ['endpoint', 'selection', 'access', 'network', 'limit'];

/** What a driver says of itself, and what it says of members that cannot be captured. */
export function testDeclaration({ driver, sessions }: DriverAdapter, system: () => System): void {
  test('every field of its spec is described and has a role, and none may be unknown', () => {
    const fields = Object.entries(driver.spec.shape);
    expect(fields.length).toBeGreaterThan(0);
    for (const [name, field] of fields) {
      const meta = metaOf(field);
      expect([name, meta.description]).toEqual([name, expect.stringMatching(/\.$/)]);
      expect(ROLES).toContain(meta.role);
      // What nobody can put into effect is no way to be reached.
      if (meta.role === 'network') expect([name, driver.egress]).toEqual([name, expect.anything()]);
    }
    const { spec } = system();
    expect(driver.spec.safeParse(spec).success).toBe(true);
    expect(driver.spec.safeParse({ ...(spec as object), nonsense: 1 }).success).toBe(false);
  });

  test('it has a name, a summary and traits', () => {
    expect(driver.name).toMatch(/^[a-z][a-z0-9-]*$/);
    expect(driver.summary).toMatch(/\.$/);
    expect(driver.traits.layers.length).toBeGreaterThan(0);
  });

  test('its endpoint is the same each time and holds no secret', () => {
    const { spec, secret } = system();
    expect(driver.endpoint(spec)).toBe(driver.endpoint(spec));
    expect(driver.endpoint(spec)).toMatch(/^[a-z]+:\/\//);
    if (secret) expect(driver.endpoint(spec)).not.toContain(secret);
  });

  test('the plan of a member that is there has no errors, and tells what it is', async () => {
    const { spec, secret } = system();
    const context = testContext();
    const planned = await driver.plan(spec, host, context);
    expect(planned.problems.filter(({ severity }) => severity === 'error')).toEqual([]);
    expect(planned.identities.length).toBeGreaterThan(0);
    expect((await driver.plan(spec, host, context)).identities).toEqual(planned.identities);
    expect(planned.sizeBytes).toBeGreaterThan(0);
    if (secret) expect(JSON.stringify([planned, context.lines, context.events])).not.toContain(secret);
    expect(await undisturbed(system())).toEqual([]);
  });

  test('a session can do what the driver is said to do', async () => {
    await using session = await driver.prepare(system().spec, host, testContext());
    expect({
      watch: session.watch !== undefined,
      hold: session.hold !== undefined,
      mark: session.mark !== undefined,
    }).toEqual({ watch: sessions.watch, hold: sessions.hold, mark: sessions.mark !== 'never' });
    // What cannot be shown to be still and cannot be held has to be marked.
    expect(sessions.watch || sessions.hold || sessions.mark === 'always').toBe(true);
  });

  test('the plan of a member that cannot be captured says why, and throws nothing', async () => {
    const { refused, secret } = system();
    expect(refused.length).toBeGreaterThan(0);
    for (const { name, spec, codes } of refused) {
      const planned = await driver.plan(spec, host, testContext());
      const errors = planned.problems.filter(({ severity }) => severity === 'error');
      expect({ name, codes: errors.map(({ code }) => code) }).toEqual({
        name,
        codes: expect.arrayContaining([expect.stringMatching(new RegExp(`^(${codes.join('|')})$`))]),
      });
      for (const problem of errors) {
        expect(problem.message).toMatch(/[.!?]$/);
        if (secret) expect(`${problem.message}${problem.hint}${problem.stack}`).not.toContain(secret);
      }
    }
  });

  test('a session with such a member cannot be had', async () => {
    for (const { spec } of system().refused) {
      const opened = driver.prepare(spec, host, testContext()).then(async (session) => {
        // Some rights are only missed when something is read.
        await using own = session;
        await own.watch?.epoch(new AbortController().signal);
        await own.mark?.take(new AbortController().signal);
      });
      expect(await codeOf(opened)).toMatch(/^[a-z]+\.[a-z-]+$/);
    }
    expect(await undisturbed(system())).toEqual([]);
  });
}
