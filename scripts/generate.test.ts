import { resolve } from 'node:path';
import { expect, test } from '@jest/globals';
import { z } from 'zod';
import { providerDefinition } from '../provider/composition/provider.ts';
import { problemsOf } from '../provider/core/schema.ts';
import { attributesOf } from '../provider/engines/terraform/schema/attributes.ts';
import { differences, generateAll } from './generate/artifacts.ts';
import { hclBlock } from './generate/hcl.ts';

test('what is generated is what is committed: otherwise run npm run generate', async () => {
  const generated = await generateAll();
  for (const { reason } of generated.missing)
    process.stderr.write(`the SDKs are not compared with what is committed: ${reason}\n`);
  expect(await differences(resolve(import.meta.dirname, '..'), generated)).toEqual([]);
}, 900_000);

test('every example in the docs is valid input', () => {
  const { resources, functions } = providerDefinition('').catalog({});
  const faults = [...resources, ...functions].flatMap(({ name, inputs, examples }) =>
    examples.flatMap((example) =>
      problemsOf(inputs, example.inputs).map(({ at, message }) => `${name}: ${at.join('.')}: ${message}`),
    ),
  );
  expect(resources.length).toBeGreaterThan(0);
  expect(faults).toEqual([]);
});

test('HCL stands as terraform fmt leaves it, and means the text that was given', () => {
  const attributes = attributesOf(
    z.object({
      name: z.string(),
      maxMs: z.number(),
      members: z.record(
        z.string(),
        z.object({ files: z.object({ path: z.string(), exclude: z.array(z.string()) }) }),
      ),
      triggers: z.record(z.string(), z.string()),
    }),
    'resource',
  );
  const values = {
    name: ['a "$', '{b}" %', '{c}'].join(''),
    maxMs: 5,
    members: {
      a: { files: { path: '/a', exclude: ['x', 'y'] } },
      'b c': { files: { path: '/b', exclude: [] } },
    },
    triggers: { release: '1' },
  };
  expect(hclBlock('resource', 'stasis_thing', 'x', attributes, values)).toBe(`resource "stasis_thing" "x" {
  name   = "a \\"$\${b}\\" %%{c}"
  max_ms = 5
  members = {
    a     = { files = { path = "/a", exclude = ["x", "y"] } }
    "b c" = { files = { path = "/b", exclude = [] } }
  }
  triggers = { release = "1" }
}
`);
});
