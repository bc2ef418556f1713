import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, jest, test } from '@jest/globals';
import { CDK_LIBRARIES } from '../../scripts/build/constructs.ts';
import { Project } from './constructs/project.ts';

jest.setTimeout(180_000);
const ROOT = join(import.meta.dirname, '../..');
const JEST = join(ROOT, 'node_modules/jest/bin/jest.js');
const PROGRAMS = join(import.meta.dirname, 'constructs/programs');

/** How users compile: as modules, and as `cdktf init` has it. */
const COMPILERS = [
  ['Node modules', ['--module', 'nodenext']],
  ['CommonJS', ['--module', 'commonjs', '--moduleResolution', 'node10', '--ignoreDeprecations', '6.0']],
] as const;

const HEAD = `import { Member, Restore, Snapshot, StasisProvider, getSnapshot } from '@stasis-iac/constructs/{library}';
import { TerraformStack } from '{library}';
declare const stack: TerraformStack;
declare const url: string;
const shop = new Snapshot(stack, 'shop', { members: { orders: Member.postgres({ url }), site: Member.files({ path: '/a' }) } });
export { Member, Restore, Snapshot, StasisProvider, getSnapshot, shop, url };
`;

const GOOD = `
new StasisProvider(stack, 'stasis', { store: { path: '/srv' } });
new Snapshot(stack, 'a', { members: { a: { files: { path: '/a', exclude: ['*.tmp'] } }, b: { redis: { url } } }, deletionPolicy: 'delete' });
const members: Record<string, Member> = { a: Member.redis({ url }) };
const wide = new Snapshot(stack, 'b', { members });
Restore.from(wide, { members });
const twin = Restore.from(shop, { members: { orders: Member.postgres({ url }), site: { files: { path: '/b' } } } });
Restore.from(getSnapshot(stack, 'found', { snapshot: 'shop' }), { members, verify: 'report' });
export const text: string = twin.verdict + shop.reference + shop.members.get('orders').postgres.endpoint;
export const number: number = shop.blurMs + twin.results.get('orders').restoreMs + twin.differences.get(0).object.length;
`;

/** Each is one mistake, which the compiler must find. */
const BAD: Readonly<Record<string, string>> = {
  'two drivers': `new Snapshot(stack, 'x', { members: { a: { files: { path: '/a' }, redis: { url } } } });`,
  'two drivers, made one by one': `new Snapshot(stack, 'x', { members: { a: { ...Member.files({ path: '/a' }), ...Member.redis({ url }) } } });`,
  'two drivers, in a variable': `const a: Member = { files: { path: '/a' }, redis: { url } }; export { a };`,
  'no driver': `new Snapshot(stack, 'x', { members: { a: {} } });`,
  'no driver, in a variable': `const a: Member = {}; export { a };`,
  'a driver that there is not': `new Snapshot(stack, 'x', { members: { a: { mysql: { url } } } });`,
  'no URL': `Member.postgres({});`,
  'a typing mistake': `Member.postgres({ url, job: 2 });`,
  'a typing mistake in a literal': `new Snapshot(stack, 'x', { members: { a: { postgres: { url, job: 2 } } } });`,
  'a number for a text': `Member.files({ path: 1 });`,
  'a policy that there is not': `new Snapshot(stack, 'x', { members: {}, deletionPolicy: 'keep' });`,
  'no members': `new Snapshot(stack, 'x', {});`,
  'an output as an input': `new Snapshot(stack, 'x', { members: {}, reference: 'shop' });`,
  'a target that is missing': `Restore.from(shop, { members: { orders: Member.postgres({ url }) } });`,
  'a target of another kind': `Restore.from(shop, { members: { orders: Member.redis({ url }), site: Member.files({ path: '/b' }) } });`,
  'a target too many': `Restore.from(shop, { members: { orders: Member.postgres({ url }), site: Member.files({ path: '/b' }), more: Member.redis({ url }) } });`,
  'a snapshot named twice': `Restore.from(shop, { snapshot: 'x', members: { orders: Member.postgres({ url }), site: Member.files({ path: '/b' }) } });`,
  'an output that is written': `shop.reference = 'x';`,
  'a provider of nothing': `new StasisProvider(stack, 'x', { folder: '/a' });`,
};

describe.each(CDK_LIBRARIES)('with %s', (library) => {
  test("a user's own tests, with the library's matchers, in CommonJS", async () => {
    await using project = await Project.create(library, 'commonjs');
    const suite = await readFile(join(PROGRAMS, 'matchers.cjs'), 'utf8');
    await project.write('shop.test.js', suite);
    await project.write('jest.config.json', JSON.stringify({ rootDir: '.', cacheDirectory: './cache' }));
    const { status, all } = await project.node(JEST, '--ci', '--config', 'jest.config.json');
    expect(all).toMatch(/Tests: +1[0-9] passed, 1[0-9] total/);
    expect(status).toBe(0);
  });

  test('the same from an ES module', async () => {
    await using project = await Project.create(library);
    await project.write(
      'main.mjs',
      `import { createRequire } from 'node:module';
import * as all from '@stasis-iac/constructs/{library}';
import { Snapshot } from '@stasis-iac/constructs/{library}';
const required = createRequire(import.meta.url)('@stasis-iac/constructs/{library}');
console.log(JSON.stringify({ names: Object.keys(required), same: Snapshot === required.Snapshot && all.Snapshot === Snapshot }));
`,
    );
    const { all } = await project.node('main.mjs');
    expect(JSON.parse(all.split('\n').find((line) => line.startsWith('{'))!)).toEqual({
      names: expect.arrayContaining([
        'Member',
        'Restore',
        'SecretVariable',
        'Snapshot',
        'StasisProvider',
        'bindings',
      ]),
      same: true,
    });
  });

  test.each(COMPILERS)(
    'types, compiled as %s: what is right compiles, and each mistake does not',
    async (_name, options) => {
      await using project = await Project.create(library, 'commonjs');
      await project.copyFrom(`shop/${library}`);
      await project.write('package.json', JSON.stringify({ private: true }));
      await project.write('head.ts', HEAD);
      const names = Object.keys(BAD);
      const use =
        "import { Member, Restore, Snapshot, StasisProvider, getSnapshot, shop, url } from './head';\nimport type { TerraformStack } from '{library}';\ndeclare const stack: TerraformStack;\nvoid [Member, Restore, Snapshot, StasisProvider, getSnapshot, shop, url, stack];\n";
      await project.write('good.ts', use + GOOD);
      for (const [index, name] of names.entries()) await project.write(`bad-${index}.ts`, use + BAD[name]);
      const files = ['main.ts', 'good.ts', ...names.map((_name, index) => `bad-${index}.ts`)];
      const { all } = await project.typeCheck(...options, ...files);
      const faults = all.split('\n').filter((line) => /^\S+\.ts\(\d+/.test(line));
      expect(faults.filter((line) => !line.startsWith('bad-'))).toEqual([]);
      const found = names.filter((_name, index) =>
        faults.some((line) => line.startsWith(`bad-${index}.ts(5,`)),
      );
      expect(found).toEqual(names);
    },
  );
});
