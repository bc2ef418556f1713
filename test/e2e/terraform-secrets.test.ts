import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, jest, test } from '@jest/globals';
import { describeEngines } from './terraform/engines.ts';
import { ADDRESS, photo, photoWorkspace, writePhotos } from './terraform/photo-workspace.ts';
import { eventually, type Workspace } from './terraform/workspace.ts';
import { unzip } from './terraform/zip.ts';

jest.setTimeout(240_000);
const PASSWORD = 'Pl4nted/pass word';
/** As it may be written anywhere. */
const FORMS = [PASSWORD, encodeURIComponent(PASSWORD), Buffer.from(PASSWORD).toString('base64').slice(0, -4)];
const VARIABLES = 'secret.auto.tfvars';
const hcl = (more = '') =>
  `variable "password" {\n  type      = string\n  ephemeral = true\n}\n${photo(
    `members = { db = { postgres = { url = "postgres://u:\${urlencode(var.password)}@one/x" } } }\n${more}`,
  )}`;

/** Where the password stands in any file of the workspace, or in the list of processes. */
async function found(workspace: Workspace): Promise<string[]> {
  const places: string[] = [];
  const look = (place: string, content: Buffer) => {
    if (FORMS.some((form) => content.includes(form))) places.push(place);
  };
  for (const entry of await readdir(workspace.folder, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    if (!entry.isFile() || entry.name === VARIABLES) continue;
    const content = await readFile(path);
    look(path, content);
    if (entry.name === 'saved.plan') for (const [name, file] of unzip(content)) look(`${path}:${name}`, file);
  }
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name)))
    for (const kind of ['cmdline', 'environ'])
      look(`${pid}/${kind}`, await readFile(`/proc/${pid}/${kind}`).catch(() => Buffer.alloc(0)));
  return places;
}

describeEngines((engine) => {
  test('a password in a url is found in no state, plan, log at trace level, or process list', async () => {
    await using workspace = await photoWorkspace(engine, hcl('hold_ms = 1500'));
    await writeFile(join(workspace.module, VARIABLES), `password = "${PASSWORD}"\n`);
    const traced = { TF_LOG: 'TRACE', TF_LOG_PATH: join(workspace.folder, 'trace.log') };
    const outputs: string[] = [];
    const run = async (...args: string[]) => {
      const { all, status } = await workspace.run(args, traced);
      outputs.push(all);
      return status;
    };

    expect(await run('plan', '-input=false', '-out=saved.plan')).toBe(0);
    const applying = workspace.start(['apply', '-input=false', '-no-color', 'saved.plan'], traced);
    await eventually('it holds', async () =>
      (await readdir(join(workspace.folder, 'photos')).catch((): string[] => [])).find(
        (name) => name === 'shop.held',
      ),
    );
    expect(await found(workspace)).toEqual([]);
    outputs.push((await applying.finished).all);
    expect(await workspace.state(ADDRESS)).toMatchObject({ generation: 1 });

    await writePhotos(workspace, hcl('fail = "Careless:"\n  triggers = { again = "1" }'));
    expect(await run('apply', '-input=false', '-auto-approve')).toBe(1);
    expect(await run('apply', '-input=false', '-auto-approve', '-refresh-only')).toBe(0);
    expect(await run('destroy', '-input=false', '-auto-approve')).toBe(0);

    expect(await found(workspace)).toEqual([]);
    expect(outputs.join()).toContain('Careless:');
    for (const form of FORMS) expect(outputs.join()).not.toContain(form);
    // The log is really one at trace level, with our own lines in it.
    const log = await readFile(traced.TF_LOG_PATH, 'utf8');
    expect(log).toContain('[TRACE] provider.terraform-provider-stasis_v0.1.0: holding');
    expect(log).toContain('endpoint=x');
    // A hundred steps of progress are thinned to a few lines.
    expect(log.split('\n').filter((line) => line.includes('totalBytes=100')).length).toBeLessThanOrEqual(4);
  });
});
