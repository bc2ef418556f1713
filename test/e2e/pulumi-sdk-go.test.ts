import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { documentedPrograms } from './pulumi-sdk/documented.ts';
import { installGo } from './pulumi-sdk/install.ts';
import { Program } from './pulumi-sdk/program.ts';
import { run, runWell } from './pulumi-sdk/run.ts';
import { seeShopThrough } from './pulumi-sdk/shop.ts';
import { pulumiWith } from './pulumi-sdk/tools.ts';

const pulumi = await pulumiWith('go');
const go = await run(['go', 'version'], { cwd: '/' });
const missing = typeof pulumi === 'string' ? pulumi : go.status === 0 ? undefined : 'Go is not on PATH';

if (typeof pulumi === 'string' || missing !== undefined) test.skip(`the Go SDK (${missing})`, () => {});
else
  describe('the Go SDK, built into a program', () => {
    let program: Program;

    beforeAll(async () => {
      program = await Program.ofExample(pulumi, 'shop/pulumi-go');
      await installGo(program);
    }, 1_800_000);
    afterAll(() => program[Symbol.asyncDispose]());

    test('takes every program of the docs, formatted as gofmt has it', async () => {
      const documented = await documentedPrograms('go');
      expect(documented.length).toBeGreaterThan(4);
      for (const [index, code] of documented.entries()) {
        const folder = join(program.folder, `documented${index}`);
        await mkdir(folder);
        await writeFile(join(folder, 'main.go'), code);
      }
      const options = { cwd: program.folder, env: { ...program.environment, GOTOOLCHAIN: 'local' } };
      await runWell(['go', 'vet', './...'], options);
      expect((await runWell(['gofmt', '-l', '.'], options)).all).toBe('');
    }, 900_000);

    test('captures a shop in Go, and brings it back to life', async () => {
      await seeShopThrough(program);
    }, 300_000);
  });
