import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { which } from '../../scripts/setup/programs.ts';
import { startRedis } from '../support/redis-server.ts';
import { installNode } from './pulumi-sdk/install.ts';
import { Program } from './pulumi-sdk/program.ts';
import { runWell } from './pulumi-sdk/run.ts';
import { pulumiWith } from './pulumi-sdk/tools.ts';

/** Runs the compiled program under the SDK's own mocks, and prints what it registers and what it exports. */
const UNDER_MOCKS = `
const pulumi = require('@pulumi/pulumi');
const registered = [];
pulumi.runtime.setMocks({
  newResource: ({ type, name, inputs }) => {
    registered.push({ type, name, inputs });
    const known = type === 'stasis:index:Snapshot' ? { reference: 'carts@sha256:1' } : {};
    const metadata = { name, ...inputs.metadata };
    return { id: name, state: { ...inputs, metadata, ...known } };
  },
  call: ({ inputs }) => inputs,
}, 'project', 'stack', false);
const program = require('./compiled/index.js');
program.reference.apply((reference) => setImmediate(() => console.log(JSON.stringify({ reference, registered }))));
`;

type Members = Readonly<Record<string, { readonly redis: { readonly url: string } }>>;

interface Registered {
  readonly type: string;
  readonly name: string;
  /** The members hold URLs, and so come wrapped as a secret. */
  readonly inputs: { readonly members?: { readonly value: Members } };
}

const pulumi = await pulumiWith('nodejs');
const plugin = await which('pulumi-resource-kubernetes');

if (typeof pulumi === 'string') test.skip(`a StatefulSet (${pulumi})`, () => {});
else
  describe('a StatefulSet of @pulumi/kubernetes feeds Snapshot and Restore', () => {
    let program: Program;
    beforeAll(async () => {
      program = await Program.ofExample(pulumi, 'kubernetes');
      await installNode(program);
    }, 900_000);
    afterAll(() => program[Symbol.asyncDispose]());

    test("under the SDK's own mocks: no engine, no cluster", async () => {
      const options = { cwd: program.folder, env: program.environment };
      await runWell(['npx', 'tsc', '--noEmit', 'false', '--outDir', 'compiled'], options);
      await writeFile(join(program.folder, 'under-mocks.js'), UNDER_MOCKS);
      const { stdout } = await runWell(['node', 'under-mocks.js'], options);
      const { reference, registered }: { reference: string; registered: readonly Registered[] } = JSON.parse(
        stdout.trim().split('\n').at(-1)!,
      );
      expect(reference).toBe('carts@sha256:1');
      expect(registered.map(({ type, name }) => `${type} ${name}`).sort()).toEqual([
        'kubernetes:apps/v1:StatefulSet cloud-carts',
        'kubernetes:apps/v1:StatefulSet sovereign-carts',
        'kubernetes:core/v1:Namespace cloud',
        'kubernetes:core/v1:Namespace sovereign',
        'kubernetes:core/v1:Service cloud-carts',
        'kubernetes:core/v1:Service sovereign-carts',
        'stasis:index:Restore twin',
        'stasis:index:Snapshot carts',
      ]);
      const urls = registered.flatMap(({ inputs }) => inputs.members?.value.carts?.redis.url ?? []);
      expect(urls.sort()).toEqual([
        'redis://carts-0.carts.cloud.svc:6379',
        'redis://carts-0.carts.sovereign.svc:6379',
      ]);
    }, 300_000);

    if (plugin === undefined)
      test.skip('with the real plugin (pulumi-resource-kubernetes is not on PATH: mocks only)', () => {});
    else
      test('with the real plugin, which writes the manifests that it would apply', async () => {
        await using cloud = await startRedis();
        await using sovereign = await startRedis();
        await cloud.feed('SET cart:1 full');
        await program.configure({
          'kubernetes:renderYamlToDirectory': join(program.root, 'manifests'),
          cloudTunnel: new URL(cloud.url).host,
          sovereignTunnel: new URL(sovereign.url).host,
        });
        await program.ok('up', '--yes', '--skip-preview');
        expect(await program.outputs()).toMatchObject({ verdict: 'equivalent' });
        expect(await sovereign.feed('GET cart:1')).toContain('full');
      }, 300_000);
  });
