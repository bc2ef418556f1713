import { EventEmitter } from 'node:events';
import { describe, expect, test } from '@jest/globals';
import type { Services } from '../../resources/services.ts';
import { runCommandLine, type Surroundings } from './command-line.ts';
import { EXIT } from './exit.ts';
import type { InterruptSignal } from './interrupt.ts';
import type { Sink } from './progress.ts';

class Kept implements Sink {
  text = '';
  readonly isTTY: boolean;
  readonly columns = 80;

  constructor(isTTY = false) {
    this.isTTY = isTTY;
  }

  write(text: string): void {
    this.text += text;
  }
}

const NO_SERVICES = async (): Promise<Services> => {
  throw new Error('wrong use must not load anything');
};

interface Ran {
  readonly status: number;
  readonly out: string;
  readonly err: string;
}

async function run(
  argv: readonly string[],
  overrides: Partial<Surroundings> = {},
  isTTY = false,
): Promise<Ran> {
  const [stdout, stderr] = [new Kept(isTTY), new Kept(isTTY)];
  const status = await runCommandLine(argv, {
    cwd: '/',
    env: { LANG: 'C.UTF-8' },
    readStdin: async () => '',
    stdout,
    stderr,
    signals: new EventEmitter<Record<InterruptSignal, []>>(),
    version: '9.9.9',
    root: '/nowhere',
    services: NO_SERVICES,
    exit: () => {},
    ...overrides,
  });
  return { status, out: stdout.text, err: stderr.text };
}

describe('wrong use', () => {
  test.each<[string, string[], RegExp]>([
    ['no command', [], /No command is given/],
    ['an unknown command', ['captur'], /Unknown command 'captur'.*capture/],
    ['an unknown option', ['list', '--frobnicate'], /Unknown option '--frobnicate'/],
    ['a missing file', ['capture'], /'-f, --file <file>' not specified/],
    ['a missing reference', ['show'], /Missing required argument 'reference'/],
    ['one argument too many', ['show', 'a', 'b'], /Too many arguments/],
    ['an engine that is none', ['install', 'ansible'], /Allowed choices are terraform, opentofu/],
    ['a level that is none', ['list', '--log-level', 'loud'], /Allowed choices are trace/],
  ])('%s ends with 2, a sentence and where to read on', async (_name, argv, expected) => {
    const { status, out, err } = await run(argv);
    expect(status).toBe(EXIT.refused);
    expect(out).toBe('');
    expect(err).toMatch(expected);
    expect(err).toContain('[usage.wrong]');
    expect(err).toContain('stasis --help');
  });

  test('with --json is one JSON object on stdout too', async () => {
    const { status, out } = await run(['capture', '--json']);
    expect(status).toBe(EXIT.refused);
    expect(JSON.parse(out)).toMatchObject({ error: { code: 'usage.wrong', at: [] } });
    expect(out.trim().split('\n')).toHaveLength(1);
  });
});

describe('help and version', () => {
  test('go to stdout, end with 0, and load nothing', async () => {
    const version = await run(['--version']);
    expect([version.status, version.out]).toEqual([EXIT.done, '9.9.9\n']);
    const help = await run(['--help']);
    expect(help.status).toBe(EXIT.done);
    expect(help.err).toBe('');
    for (const command of [
      'capture',
      'restore',
      'plan',
      'list',
      'show',
      'verify',
      'compare',
      'doctor',
      'install',
    ])
      expect(help.out).toMatch(new RegExp(`^  ${command} `, 'm'));
    expect(help.out).toContain('Exit status: 0 done, 1 failed, 2 wrong use or input');
  });

  test('help of a command ends with 0 as well', async () => {
    const help = await run(['help', 'compare']);
    expect(help.status).toBe(EXIT.done);
    expect(help.out).toContain('stasis compare [options] [references...]');
  });
});

describe('a failure that nobody foresaw', () => {
  test('is told with a code, and ends with 1', async () => {
    const { status, out, err } = await run(['list', '--json']);
    expect(status).toBe(EXIT.failed);
    expect(JSON.parse(out)).toEqual({
      error: { code: 'internal', message: 'wrong use must not load anything', at: [] },
    });
    expect(err).toBe('error: wrong use must not load anything  [internal]\n');
  });

  test('shows its frames only where the log asks for them', async () => {
    expect((await run(['list'])).err).not.toContain('    at ');
    expect((await run(['list', '--log-level', 'debug'])).err).toMatch(
      /debug failed code="internal" stack=\["at /,
    );
  });
});

describe('colours', () => {
  const introducer = String.fromCharCode(27);
  test.each<[string, string[], Record<string, string>, boolean, boolean]>([
    ['on a terminal', ['list'], {}, true, true],
    ['not in a pipe', ['list'], {}, false, false],
    ['not with --no-color', ['list', '--no-color'], {}, true, false],
    ['not with NO_COLOR', ['list'], { NO_COLOR: '1' }, true, false],
    ['not on a dumb terminal', ['list'], { TERM: 'dumb' }, true, false],
    ['in a pipe with FORCE_COLOR', ['list'], { FORCE_COLOR: '1' }, false, true],
  ])('%s', async (_name, argv, env, isTTY, expected) => {
    const { err } = await run(argv, { env: { LANG: 'C.UTF-8', ...env } }, isTTY);
    expect(err.includes(`${introducer}[`)).toBe(expected);
  });
});
