import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import type { Context } from '../../../provider/core/context.ts';
import { StasisError } from '../../../provider/core/errors.ts';
import {
  type Change,
  halfDone,
  hasUnknown,
  type PlannedChange,
  type ProviderDefinition,
  type ResourceDefinition,
  type ResourceState,
  UNKNOWN,
  type Values,
} from '../../../provider/core/resource.ts';
import { problemsOf } from '../../../provider/core/schema.ts';

/**
 * A small provider of every kind of value, whose resource holds a file while it applies, as a capture holds members:
 * what the engine's edge must get right, without drivers and stores. A photo is a JSON file in the provider's folder.
 */
const member = z.strictObject({
  postgres: z
    .strictObject({
      url: z
        .string()
        .regex(/^postgres:\/\//, 'A URL begins with postgres://')
        .describe('Where and as whom to connect.')
        .meta({ role: 'access', secret: true }),
      jobs: z.number().int().positive().optional().describe('How many at once.').meta({ role: 'limit' }),
      endpoint: z.string().optional().describe('Where it is.').meta({ computed: true }),
    })
    .optional()
    .describe('A database.'),
  files: z
    .strictObject({
      path: z.string().min(1).describe('The folder.').meta({ role: 'endpoint' }),
      exclude: z.array(z.string()).optional().describe('Left out.').meta({ role: 'selection' }),
      endpoint: z.string().optional().describe('Where it is.').meta({ computed: true }),
    })
    .optional()
    .describe('A folder.'),
});

const INPUTS = z.strictObject({
  name: z
    .string()
    .regex(/^[a-z]+$/, 'A name has lower-case letters only')
    .describe('The name.'),
  members: z.record(z.string(), member).describe('What is captured.'),
  store: z
    .strictObject({ path: z.string().describe('A folder.') })
    .optional()
    .describe('Where.'),
  mode: z.enum(['gentle', 'harsh']).optional().describe('How.'),
  note: z.string().optional().describe('Kept as it is.'),
  ratio: z.number().optional().describe('Any number.'),
  urgent: z.boolean().optional().describe('Whether.'),
  triggers: z.record(z.string(), z.string()).optional().describe('A change takes another.'),
  holdMs: z.number().int().optional().describe('How long it holds.'),
  thawMs: z.number().int().optional().describe('How long letting go takes.'),
  fail: z.string().optional().describe('Fails with this sentence.'),
  warn: z.string().optional().describe('Warns with this sentence while applying.'),
});

const OUTPUTS = z.object({
  reference: z.string().describe('What was taken.'),
  generation: z.number().describe('From 1.'),
  blurMs: z.number().describe('A decimal.'),
  sizeBytes: z.number().describe('A large integer.'),
  sharp: z.boolean().describe('Whether.'),
  coverage: z
    .array(
      z.object({ member: z.string().describe('Which.'), outside: z.array(z.string()).describe('What.') }),
    )
    .describe('A list of objects.'),
  results: z.record(z.string(), z.object({ endpoint: z.string().describe('Where.') })).describe('By member.'),
  evidence: z.unknown().describe('Anything.'),
});

const CONFIGURATION = z.strictObject({
  folder: z.string().optional().describe('Where photos are.'),
  token: z.string().min(8).optional().describe('A secret.').meta({ secret: true }),
});

type Members = Readonly<Record<string, { readonly postgres?: Values; readonly files?: Values }>>;

export function photoProvider(): ProviderDefinition {
  return {
    version: '0.1.0',
    configuration: CONFIGURATION,
    check: ({ folder }) =>
      folder === undefined
        ? [new StasisError('photo.no-folder', 'No folder is named.', { at: ['folder'], hint: 'Set folder.' })]
        : [],
    catalog: (configuration) => {
      const folder = String(configuration.folder);
      return {
        resources: [photo(folder)],
        components: [],
        functions: [
          {
            name: 'getPhoto',
            dataSource: 'photo',
            summary: 'Looks a photo up.',
            inputs: z.strictObject({ name: z.string().describe('Which.') }),
            outputs: OUTPUTS,
            examples: [],
            call: async ({ name }) => {
              const found = load(folder, String(name));
              if (found !== undefined) return found.outputs;
              throw new StasisError('photo.none', `There is no photo "${name}".`, { at: ['name'] });
            },
          },
        ],
      };
    },
  };
}

function photo(folder: string): ResourceDefinition {
  return {
    name: 'Photo',
    summary: 'A photo.',
    inputs: INPUTS,
    outputs: OUTPUTS,
    examples: [],
    exampleId: 'shop',
    check: (inputs) => problemsOf(INPUTS, inputs),
    plan: async (change) => plan(folder, change),
    apply: (change, context) => apply(folder, change, context),
    read: async (prior) => {
      const found = load(folder, String(prior.outputs.reference).split('@')[0]!);
      if (found === undefined) return undefined;
      const broken = new StasisError('photo.damaged', 'The photo is damaged.', { severity: 'warning' });
      return {
        state: { ...found, stored: prior.stored },
        problems: found.outputs.sharp === false ? [broken] : [],
      };
    },
    importState: async (id) => {
      const found = load(folder, id);
      if (found === undefined) throw new StasisError('photo.none', `There is no photo "${id}".`);
      return { ...found, stored: { name: id } };
    },
    delete: async (prior) => {
      rmSync(file(folder, prior.id));
      return [new StasisError('photo.forgotten', 'The photo is forgotten.', { severity: 'warning' })];
    },
  };
}

async function plan(folder: string, { prior, inputs }: Change): Promise<PlannedChange> {
  const stored = storedOf(inputs);
  const problems = Object.entries((inputs.members === UNKNOWN ? {} : inputs.members) as Members)
    .filter(([, value]) => Object.keys(value).length !== 1)
    .map(
      ([name]) =>
        new StasisError('member.one-driver', `The member "${name}" needs exactly one driver.`, {
          at: ['members', name],
          hint: 'Name one of postgres, files.',
        }),
    );
  const replaced = prior !== undefined && prior.stored.name !== inputs.name;
  const unknown = Object.fromEntries(Object.keys(OUTPUTS.shape).map((key) => [key, UNKNOWN]));
  const again = !isWhole(prior) || replaced || (prior.stored.members !== undefined && differs(prior, stored));
  if (!replaced && prior === undefined && load(folder, String(inputs.name)) !== undefined)
    problems.push(
      new StasisError('photo.taken', 'The name is taken.', { at: ['name'], severity: 'warning' }),
    );
  return {
    action: prior === undefined ? 'create' : replaced ? 'replace' : again ? 'update' : 'none',
    replace: replaced ? [['name']] : [],
    id: prior !== undefined && !replaced ? prior.id : inputs.name === UNKNOWN ? UNKNOWN : String(inputs.name),
    stored,
    outputs: again ? unknown : prior!.outputs,
    problems,
  };
}

function differs(prior: ResourceState, stored: Values): boolean {
  const part = ({ members, triggers }: Values) =>
    JSON.stringify([members, triggers ?? {}], (_key, value) => (value === UNKNOWN ? 'unknown' : value));
  return hasUnknown(stored) || part(prior.stored) !== part(stored);
}

function storedOf(inputs: Values): Values {
  if (typeof inputs.members !== 'object') return inputs;
  const members = Object.entries(inputs.members as Members).map(([name, { postgres, files }]) => {
    const { url, ...rest } = postgres ?? {};
    const endpoint = url === UNKNOWN ? UNKNOWN : String(url).replace(/\/\/.*@/, '//');
    return [
      name,
      {
        ...(postgres && { postgres: { ...rest, endpoint } }),
        ...(files && {
          files: { ...files, endpoint: files.path === UNKNOWN ? UNKNOWN : `file:${files.path}` },
        }),
      },
    ];
  });
  return { ...inputs, members: Object.fromEntries(members) };
}

async function apply(folder: string, { prior, inputs }: Change, context: Context): Promise<ResourceState> {
  const stored = storedOf(inputs);
  const name = String(inputs.name);
  if (isWhole(prior) && (prior.stored.members === undefined || !differs(prior, stored)))
    return save(folder, { ...prior, stored });
  await hold(folder, inputs, context);
  if (inputs.warn !== undefined)
    context.progress({ step: 'copy', severity: 'warning', message: String(inputs.warn), member: 'db' });
  if (inputs.fail !== undefined) {
    // A careless message: what the engine prints of it must not hold the password.
    throw new StasisError('photo.failed', `${inputs.fail} ${JSON.stringify(inputs.members)}`, {
      at: ['members', 'db', 'postgres', 'url'],
      hint: 'Do not ask for it.',
    });
  }
  // Only the first time: an apply with the state of this one goes on.
  if (inputs.warn === 'half' && prior === undefined)
    throw halfDone(new StasisError('photo.half', 'Half of the photo is there.', { hint: 'Apply again.' }), {
      id: name,
      stored,
      outputs: { reference: `${name}@0` },
    });
  const generation = Number(prior?.outputs.generation ?? 0) + 1;
  const members = stored.members as Members;
  const endpoints = Object.entries(members).map(([key, { postgres, files }]) => [
    key,
    { endpoint: String((postgres ?? files)?.endpoint) },
  ]);
  return save(folder, {
    id: name,
    stored,
    outputs: {
      reference: `${name}@${generation}`,
      generation,
      blurMs: 4.923,
      sizeBytes: 2 ** 52 + 1,
      sharp: true,
      coverage: [{ member: 'db', outside: ['1 slot', '2 tables'] }],
      results: Object.fromEntries(endpoints),
      evidence: { any: [1, 'a', null], deep: { x: 0.1 } },
    },
  });
}

/** Not one of which only a part came to be. */
function isWhole(prior: ResourceState | undefined): prior is ResourceState {
  return prior !== undefined && prior.outputs.generation !== undefined;
}

/** As a capture: something outside is held, let go when aborted, which takes a while. */
async function hold(folder: string, inputs: Values, { signal, logger, progress }: Context): Promise<void> {
  const held = join(folder, `${inputs.name}.held`);
  mkdirSync(folder, { recursive: true });
  writeFileSync(held, String(process.pid));
  try {
    for (let step = 0; step < 100; step += 1) progress({ step: 'hold', doneBytes: step, totalBytes: 100 });
    logger.log('trace', 'holding', { endpoint: 'x' });
    if (inputs.fail === 'crash')
      setTimeout(() => {
        throw new Error('a mistake of ours');
      }, 100);
    await delay(Number(inputs.holdMs ?? 0), undefined, { signal });
  } catch {
    await delay(Number(inputs.thawMs ?? 0));
    throw signal.reason;
  } finally {
    rmSync(held, { force: true });
  }
}

function file(folder: string, name: string): string {
  return join(folder, `${name}.json`);
}

function save(folder: string, state: ResourceState): ResourceState {
  writeFileSync(file(folder, state.id), JSON.stringify(state));
  return state;
}

function load(folder: string, name: string): ResourceState | undefined {
  try {
    return JSON.parse(readFileSync(file(folder, name), 'utf8'));
  } catch {
    return undefined;
  }
}
