import { execFile } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { shownOnTerminal } from '../support/terminal.ts';
import { STASIS, Workspace } from './cli/stasis.ts';

const runFile = promisify(execFile);

let workspace: Workspace;
let hasScript = false;

beforeAll(async () => {
  workspace = await Workspace.create();
  await mkdir(workspace.path('data'));
  await writeFile(workspace.path('data/large'), Buffer.alloc(60_000_000, 'stasis'));
  await workspace.inputs('app.yaml', 'name: shop\nmembers: { receipts: { files: { path: data } } }\n');
  hasScript = await runFile('script', ['--version']).then(
    () => true,
    () => false,
  );
});
afterAll(() => workspace?.[Symbol.asyncDispose]());

/** What it writes to a terminal of so many columns, both streams together; `script` of util-linux makes one. */
async function onTerminal(command: string, columns: number): Promise<string> {
  const shell = `stty cols ${columns} rows 40; exec ${STASIS} ${command}`;
  const env = { PATH: process.env.PATH, HOME: process.env.HOME, TERM: 'xterm-256color', LANG: 'C.UTF-8' };
  const ran = runFile('script', ['-qec', shell, '/dev/null'], { cwd: workspace.folder, env });
  const { stdout } = await ran.catch((error: { stdout: string }) => error);
  // In a checkout the launcher says so when it has bundled the sources first.
  return stdout.replace(/^stasis: built .*\r?\n/, '');
}

describe('on a real terminal', () => {
  test.each([60, 80, 120])('of %i columns the picture stays, and the progress goes', async (columns) => {
    if (!hasScript) {
      process.stderr.write('skipped: the program "script", which makes a terminal, is not on this machine\n');
      return;
    }
    const written = await onTerminal('capture -f app.yaml', columns);
    const introducer = String.fromCharCode(27);
    expect(written).toContain(`${introducer}[J`);
    expect(written).toContain(`${introducer}[32msharp`);
    const lines = shownOnTerminal(written);
    expect(lines[0]).toMatch(/^shop +sharp$/);
    expect(lines[0]).toHaveLength(columns);
    expect(lines.join('\n')).toMatch(/shop@sha256:[0-9a-f]+.*\s+generation \d$/);
    expect(lines.join('\n')).not.toMatch(/^(plan|prepare|hold|copy|fingerprint|seal)\b/m);
    for (const line of lines) expect(line.length).toBeLessThanOrEqual(columns);
  });

  test('an error stays as well, without colours where NO_COLOR is set', async () => {
    if (!hasScript) {
      process.stderr.write('skipped: the program "script", which makes a terminal, is not on this machine\n');
      return;
    }
    const written = await onTerminal('show bank --no-color', 100);
    expect(shownOnTerminal(written)[0]).toMatch(/^error: The store .* has no snapshot named "bank"/);
    expect(written).not.toContain(String.fromCharCode(27));
  });
});
