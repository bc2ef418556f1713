import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { VERSION } from '../../provider/composition/version.ts';
import { documentedPrograms } from './pulumi-sdk/documented.ts';
import { installPython } from './pulumi-sdk/install.ts';
import { Program } from './pulumi-sdk/program.ts';
import { runWell } from './pulumi-sdk/run.ts';
import { seeShopThrough } from './pulumi-sdk/shop.ts';
import { pulumiWithVenv } from './pulumi-sdk/tools.ts';

/** Runs each program under Pulumi's own mocks, with any configuration, and prints what it registers and calls. */
const UNDER_MOCKS = `
import json, sys
import pulumi
from pulumi.runtime import Mocks, set_mocks

class Recording(Mocks):
    def new_resource(self, args):
        print(json.dumps(args.typ))
        return [args.name, args.inputs]
    def call(self, args):
        print(json.dumps(args.token))
        return {}

for path in sys.argv[1:]:
    set_mocks(Recording(), project="p", stack="s")
    pulumi.runtime.set_all_config({"p:ordersUrl": "u", "p:sessionsUrl": "u", "p:restoreToOrdersUrl": "u"})
    @pulumi.runtime.test
    def check():
        exec(compile(open(path).read(), path, "exec"), {"__name__": "__main__"})
    check()
`;

const pulumi = await pulumiWithVenv('python');

if (typeof pulumi === 'string') test.skip(`the Python SDK (${pulumi})`, () => {});
else
  describe('the Python SDK, installed by pip into a virtual environment', () => {
    let program: Program;
    const python = (...args: string[]) => ['venv/bin/python', ...args] as const;

    beforeAll(async () => {
      program = await Program.ofExample(pulumi, 'shop/pulumi-python');
      await installPython(program);
    }, 900_000);
    afterAll(() => program[Symbol.asyncDispose]());

    test('has our version, and configuration that can be read', async () => {
      const code =
        'import pulumi_stasis.config, pulumi_stasis.config.vars;import importlib.metadata as m; print(m.version("pulumi_stasis"))';
      const { stdout } = await runWell(python('-c', code), { cwd: program.folder });
      expect(stdout.trim()).toBe(VERSION);
    });

    test('takes every program of the docs', async () => {
      const documented = await documentedPrograms('python');
      expect(documented.length).toBeGreaterThan(4);
      const folder = join(program.root, 'documented');
      await mkdir(folder);
      const paths = documented.map((_, index) => join(folder, `${index}.py`));
      await Promise.all(documented.map((code, index) => writeFile(paths[index]!, code)));
      const { stdout } = await runWell(python('-c', UNDER_MOCKS, ...paths), { cwd: program.folder });
      expect(
        new Set(
          stdout
            .trim()
            .split('\n')
            .map((line) => JSON.parse(line)),
        ),
      ).toEqual(
        new Set([
          'stasis:index:Application',
          'stasis:index:Comparison',
          'stasis:index:Drill',
          'stasis:index:Restore',
          'stasis:index:Snapshot',
          'stasis:index:getSnapshot',
          'stasis:index:getSnapshots',
        ]),
      );
    }, 120_000);

    test('captures a shop in Python, and brings it back to life', async () => {
      await seeShopThrough(program);
    }, 300_000);
  });
