import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, jest, test } from '@jest/globals';
import { photo, photoWorkspace } from './pulumi/photo-workspace.ts';
import { describePulumi, type Workspace } from './pulumi/workspace.ts';
import { eventually } from './terraform/workspace.ts';

jest.setTimeout(240_000);
const PASSWORD = 'Pl4nted/pass word';
/** As it may be written anywhere. */
const FORMS = [PASSWORD, encodeURIComponent(PASSWORD), Buffer.from(PASSWORD).toString('base64').slice(0, -4)];
const URL = `postgres://u:${encodeURIComponent(PASSWORD)}@one/x`;

/** A program that has the URL from the stack's secret configuration. */
function program(more = ''): string {
  const head = 'config:\n  url: { type: string, secret: true }\n';
  return head + photo(`members: { db: { postgres: { url: "\${url}" } } }\n${more}`);
}

/** Where the password stands in any file of the workspace, or in the list of processes. */
async function found(workspace: Workspace): Promise<string[]> {
  const places: string[] = [];
  const look = (place: string, content: Buffer) => {
    if (FORMS.some((form) => content.includes(form))) places.push(place);
  };
  for (const entry of await readdir(workspace.folder, { recursive: true, withFileTypes: true }))
    if (entry.isFile()) {
      const path = join(entry.parentPath, entry.name);
      look(path, await readFile(path));
    }
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name)))
    for (const kind of ['cmdline', 'environ'])
      look(`${pid}/${kind}`, await readFile(`/proc/${pid}/${kind}`).catch(() => Buffer.alloc(0)));
  return places;
}

describePulumi((tools) => {
  test('a password in a url is found in no state, output, log of our own, or process list', async () => {
    await using workspace = await photoWorkspace(tools, program('holdMs: 1500'));
    await workspace.ok(['config', 'set', '--secret', 'url'], URL);
    const outputs: string[] = [];
    const run = async (...args: string[]) => {
      const { all, status } = await workspace.run(...args);
      outputs.push(all);
      return status;
    };

    expect(await run('preview', '--diff')).toBe(0);
    expect(await run('preview', '--json')).toBe(0);
    const applying = workspace.start(['up', '--yes', '--skip-preview', '--diff']);
    await eventually('it holds', async () =>
      (await readdir(join(workspace.folder, 'photos')).catch((): string[] => [])).find(
        (name) => name === 'shop.held',
      ),
    );
    expect(await found(workspace)).toEqual([]);
    outputs.push((await applying.finished).all);
    const { outputs: kept } = (await workspace.state()).a ?? {};
    expect(JSON.stringify(kept)).toContain('postgres://one/x');
    expect(JSON.stringify(kept)).not.toContain(encodeURIComponent(PASSWORD));

    await workspace.write(program('fail: "Careless:"\ntriggers: { again: "1" }'));
    expect(await run('up', '--yes', '--skip-preview', '--diff')).not.toBe(0);
    expect(await run('refresh', '--yes', '--skip-preview')).toBe(0);
    expect(await run('stack', 'export')).toBe(0);
    expect(await run('destroy', '--yes', '--skip-preview')).toBe(0);

    expect(await found(workspace)).toEqual([]);
    expect(outputs.join()).toContain('Careless:');
    for (const form of FORMS) expect(outputs.join()).not.toContain(form);
    // A hundred steps of progress are thinned to a few lines.
    expect(outputs.join().match(/hold \d+ B of 100 B/g)?.length).toBeLessThan(12);
  });

  test('at -v=9 our own lines are in the log, without it', async () => {
    await using workspace = await photoWorkspace(tools, program('fail: "Careless:"'));
    await workspace.ok(['config', 'set', '--secret', 'url'], URL);
    const logging = ['-v=9', '--logtostderr', '--logflow'];
    const { status, all } = await workspace.run('up', '--yes', '--skip-preview', ...logging);
    expect(status).not.toBe(0);
    const lines = all.split('\n').filter((line) => /Careless:|trace: holding/.test(line));
    expect(lines.some((line) => line.includes('Careless:'))).toBe(true);
    expect(lines.some((line) => line.includes('trace: holding'))).toBe(true);
    for (const line of lines) for (const form of FORMS) expect(line).not.toContain(form);
  });
});
