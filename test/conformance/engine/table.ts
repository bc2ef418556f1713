/** Every way of driving us. */
export const WAYS = [
  'Terraform',
  'OpenTofu',
  'Pulumi in YAML',
  'Pulumi in TypeScript',
  'Pulumi in Python',
  'Pulumi in Go',
  'CDKTF',
  'CDK Terrain',
  'command line',
] as const;
export type WayName = (typeof WAYS)[number];

/** What a user can get wrong, one at a time. */
export const MISTAKES = [
  'a member without a driver',
  'a member with two drivers',
  'a name with a slash',
  'a limit that is none',
  'two members on one database',
  'a folder that is not there',
  'a server that cannot be reached',
  'a wrong password',
  'a client program that is not there',
  'a store that is a file',
] as const;
export type MistakeName = (typeof MISTAKES)[number];

/** What is done in every way, in this order. */
export const SCENARIOS = [
  'create',
  'second plan empty',
  'trigger changed',
  'member changed',
  'newest moved',
  'probes',
  'drill',
  'comparison',
  'target not empty',
  'refresh after the snapshot is gone',
  'refresh after the snapshot is damaged',
  'import',
  'rename',
  'delete with retain',
  'delete with delete',
  'state lost and imported again',
  'two resources at once on one store',
  ...MISTAKES.map((mistake) => `bad input: ${mistake}` as const),
  'unknown inputs in the plan that creates the database',
  'secret nowhere',
  'half-done create',
  'cancelled once in freeze',
  'cancelled twice in freeze',
  'cancelled once in copy',
  'cancelled twice in copy',
  'engine killed by -9',
  'provider killed by -9',
] as const;
export type ScenarioName = (typeof SCENARIOS)[number];

const NO_STATE = 'the command line keeps no state: ';

/** Cells that cannot be, each with what it is about the way that makes it so. */
const IMPOSSIBLE: Readonly<Partial<Record<WayName, Readonly<Partial<Record<ScenarioName, string>>>>>> = {
  'command line': {
    'second plan empty': `${NO_STATE}each capture is a first one, and is the next generation`,
    'trigger changed': `${NO_STATE}it has no triggers, as each capture is the next generation anyway`,
    'member changed': `${NO_STATE}it cannot tell that a member is another one than before`,
    'refresh after the snapshot is gone': `${NO_STATE}it has nothing that could be refreshed`,
    'refresh after the snapshot is damaged': `${NO_STATE}it has nothing that could be refreshed; "verify" reads the store`,
    import: `${NO_STATE}there is nothing to import into; "--adopt" takes a name over`,
    rename: `${NO_STATE}its resources have no name beside that of the snapshot`,
    'delete with retain': 'the command line has no resource that could be removed',
    'delete with delete': 'the command line has no resource that could be removed',
    'state lost and imported again': `${NO_STATE}there is none to lose`,
    'unknown inputs in the plan that creates the database':
      'all that a command is given is known when it starts, and it creates nothing else',
    'provider killed by -9': 'the command line is engine and provider in one process',
  },
};

/** Why a way cannot have a scenario; undefined where it can, and then the suite runs it. */
export function whyImpossible(way: WayName, scenario: ScenarioName): string | undefined {
  return IMPOSSIBLE[way]?.[scenario];
}

/** The suite's name in jest's report. */
export const SUITE = 'every engine:';
