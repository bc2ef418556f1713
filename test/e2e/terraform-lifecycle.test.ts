import { existsSync } from 'node:fs';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, jest, test } from '@jest/globals';
import { describeEngines } from './terraform/engines.ts';
import { ADDRESS, DB, PASSWORD, photo, photoWorkspace, writePhotos } from './terraform/photo-workspace.ts';
import type { Workspace } from './terraform/workspace.ts';

jest.setTimeout(240_000);

const photoFile = (workspace: Workspace, name = 'shop') => join(workspace.folder, `photos/${name}.json`);
const db = (host: string, more = '', password = PASSWORD) =>
  `members = { db = { postgres = { url = "postgres://u:${password}@${host}/x"${more} } } }`;

describeEngines((engine) => {
  test('init finds the plugin, apply creates, the second plan is empty, destroy removes', async () => {
    await using workspace = await photoWorkspace(
      engine,
      photo(`members = {
    db        = { postgres = { url = "postgres://u:${PASSWORD}@one/x", jobs = 4 } }
    "my docs" = { files = { path = "/srv/a", exclude = ["*.tmp"] } }
  }
  ratio    = 0.1
  urgent   = true
  mode     = "gentle"
  triggers = { release = "1" }
  store    = { path = "x" }`),
    );
    const { stdout } = await workspace.apply();
    expect(stdout).toContain('1 added');
    expect(await workspace.state(ADDRESS)).toEqual({
      id: 'shop',
      name: 'shop',
      members: {
        db: { postgres: { url: null, jobs: 4, endpoint: 'postgres://one/x' }, files: null },
        'my docs': {
          postgres: null,
          files: { path: '/srv/a', exclude: ['*.tmp'], endpoint: 'file:/srv/a' },
        },
      },
      store: { path: 'x' },
      mode: 'gentle',
      note: null,
      ratio: 0.1,
      urgent: true,
      triggers: { release: '1' },
      hold_ms: null,
      thaw_ms: null,
      fail: null,
      warn: null,
      reference: 'shop@1',
      generation: 1,
      blur_ms: 4.923,
      size_bytes: 2 ** 52 + 1,
      sharp: true,
      coverage: [{ member: 'db', outside: ['1 slot', '2 tables'] }],
      results: { db: { endpoint: 'postgres://one/x' }, 'my docs': { endpoint: 'file:/srv/a' } },
      evidence: '{"any":[1,"a",null],"deep":{"x":0.1}}',
    });
    expect(await workspace.planned()).toMatchObject({ changes: false });
    // A refresh must not write numbers back in another form.
    await workspace.apply('-refresh-only');
    expect(await workspace.planned()).toMatchObject({ changes: false });
    expect(await workspace.planned('-refresh=false')).toMatchObject({ changes: false });
    const destroyed = await workspace.ok('destroy', '-auto-approve', '-input=false');
    expect(destroyed.stdout).toContain('1 destroyed');
    expect(destroyed.stdout).toContain('The photo is forgotten.');
    expect(existsSync(photoFile(workspace))).toBe(false);
    expect(await workspace.leftovers()).toEqual([]);
  });

  test('a password alone changes nothing; a note updates in place; another host takes another', async () => {
    await using workspace = await photoWorkspace(engine, photo(db('one')));
    await workspace.apply();
    await writePhotos(workspace, photo(db('one', '', 'another-password')));
    expect(await workspace.planned()).toMatchObject({ changes: false });

    await writePhotos(workspace, photo(`${db('one')}\n  note = "x"`));
    const noted = await workspace.planned();
    expect(noted.text).toMatch(/\+ note\s+= "x"/);
    expect(noted.text).not.toContain('generation');
    await workspace.apply();
    expect(await workspace.state(ADDRESS)).toMatchObject({ note: 'x', generation: 1 });

    await writePhotos(workspace, photo(`${db('two')}\n  note = "x"`));
    const moved = await workspace.planned();
    expect(moved.text).toContain('~ endpoint = "postgres://one/x" -> "postgres://two/x"');
    await workspace.apply();
    expect(await workspace.state(ADDRESS)).toMatchObject({ note: 'x', generation: 2 });
    expect(await workspace.planned()).toMatchObject({ changes: false });

    // What is taken out of the configuration goes out of the state.
    await writePhotos(workspace, photo(db('two')));
    await workspace.apply();
    expect(await workspace.state(ADDRESS)).toMatchObject({ note: null, generation: 2 });
  });

  test('another name replaces, at the attribute that forces it', async () => {
    await using workspace = await photoWorkspace(engine, photo(DB));
    await workspace.apply();
    await writePhotos(workspace, photo(DB, 'other'));
    const { text } = await workspace.planned();
    expect(text).toMatch(/~ name\s+= "shop" -> "other" # forces replacement/);
    const { stdout } = await workspace.apply();
    expect(stdout).toContain('1 added, 0 changed, 1 destroyed');
    expect(existsSync(photoFile(workspace))).toBe(false);
    expect(await workspace.state(ADDRESS)).toMatchObject({ id: 'other', generation: 1 });
  });

  test('import by command and by block; the first apply afterwards takes nothing anew', async () => {
    await using workspace = await photoWorkspace(engine, photo(`${DB}\n  note = "mine"`));
    await workspace.apply();
    await workspace.ok('state', 'rm', ADDRESS);
    await workspace.ok('import', '-input=false', ADDRESS, 'shop');
    expect(await workspace.state(ADDRESS)).toMatchObject({ id: 'shop', members: null, generation: 1 });
    expect((await workspace.planned()).text).toContain('0 to add, 1 to change');
    await workspace.apply();
    expect(await workspace.state(ADDRESS)).toMatchObject({
      note: 'mine',
      generation: 1,
      members: { db: { postgres: { endpoint: 'postgres://one/x' } } },
    });
    expect(await workspace.planned()).toMatchObject({ changes: false });

    await workspace.ok('state', 'rm', ADDRESS);
    await writePhotos(workspace, `${photo(DB)}import {\n  to = ${ADDRESS}\n  id = "shop"\n}\n`);
    expect((await workspace.apply()).stdout).toContain('1 imported');
    expect(await workspace.state(ADDRESS)).toMatchObject({ generation: 1 });
    expect(await workspace.planned()).toMatchObject({ changes: false });

    const nothing = await workspace.run(['import', '-input=false', `${ADDRESS}`, 'nothing']);
    expect(nothing.status).not.toBe(0);
    await workspace.ok('state', 'rm', ADDRESS);
    const none = await workspace.run(['import', '-input=false', ADDRESS, 'nothing']);
    expect(none.all).toContain('There is no photo "nothing".');
    expect(none.all).toContain('photo.none');
  });

  test('a refresh keeps what is damaged with a warning, and plans to create what is gone', async () => {
    await using workspace = await photoWorkspace(engine, photo(DB));
    await workspace.apply();
    const state = JSON.parse(await readFile(photoFile(workspace), 'utf8'));
    state.outputs.sharp = false;
    await writeFile(photoFile(workspace), JSON.stringify(state));
    const damaged = await workspace.planned();
    expect(damaged.text).toContain('Warning: The photo is damaged.');
    await workspace.apply('-refresh-only');
    expect(await workspace.state(ADDRESS)).toMatchObject({ sharp: false });

    await rm(photoFile(workspace));
    const gone = await workspace.planned();
    expect(gone.text).toContain('The Photo shop is no longer there.');
    expect(gone.text).toContain('1 to add');
    await workspace.apply();
    expect(await workspace.state(ADDRESS)).toMatchObject({ sharp: true, generation: 1 });
  });

  test('a data source looks up, and its error stands at its attribute', async () => {
    const lookup = 'data "stasis_photo" "a" {\n  name = stasis_photo.a.name\n}\n';
    const out = 'output "found" {\n  value = data.stasis_photo.a.blur_ms\n}\n';
    await using workspace = await photoWorkspace(engine, photo(DB) + lookup + out);
    await workspace.apply();
    expect(await workspace.output('found')).toBe(4.923);
    await writePhotos(workspace, 'data "stasis_photo" "b" {\n  name = "nothing"\n}\n');
    const { status, all } = await workspace.run(['plan', '-input=false']);
    expect(status).toBe(1);
    expect(all).toContain('There is no photo "nothing".');
    expect(all).toMatch(/on main\.tf line \d+, in data "stasis_photo" "b":\s+\d+:\s+name = "nothing"/);
  });

  test('values that only the apply will tell: an unknown url is an unknown endpoint', async () => {
    const later = (input: string) => `resource "terraform_data" "later" {\n  input = "${input}"\n}\n`;
    const unknown = `members = {
    db   = { postgres = { url = "postgres://u:${PASSWORD}@\${terraform_data.later.output}/x" } }
    docs = { files = { path = "/srv/\${terraform_data.later.output}", exclude = [terraform_data.later.output] } }
  }
  note = terraform_data.later.output`;
    const out = `output "endpoint" {\n  value = ${ADDRESS}.members.db.postgres.endpoint\n}\n`;
    await using workspace = await photoWorkspace(engine, later('dyn') + photo(unknown) + out);
    const { text } = await workspace.planned();
    expect(text).toMatch(/endpoint\s+= \(known after apply\)/);
    await workspace.apply();
    expect(await workspace.output('endpoint')).toBe('postgres://dyn/x');
    expect(await workspace.planned()).toMatchObject({ changes: false });
    await writePhotos(workspace, later('next') + photo(unknown) + out);
    await workspace.apply();
    expect(await workspace.state(ADDRESS)).toMatchObject({ generation: 2, note: 'next' });
    // All members unknown at once.
    const all = `members = jsondecode(terraform_data.later.output)`;
    const json = JSON.stringify(JSON.stringify({ docs: { files: { path: '/q' } } })).slice(1, -1);
    await writePhotos(workspace, later(json) + photo(all));
    await workspace.apply();
    expect(await workspace.state(ADDRESS)).toMatchObject({ results: { docs: { endpoint: 'file:/q' } } });
  });

  test('numbers of every kind come back as they were written', async () => {
    const numbers = [
      '0.1',
      '1e-7',
      '-0.5',
      '1/3',
      '4294967296',
      '1152921504606846977',
      '123456789012345678901234567890',
    ];
    const labelled = numbers.map((number, index) =>
      photo(`${DB}\n  ratio = ${number}`, 'abcdefg'[index], `n${index}`),
    );
    await using workspace = await photoWorkspace(engine, labelled.join(''));
    await workspace.apply();
    expect(await workspace.planned()).toMatchObject({ changes: false });
    expect(await workspace.stateText()).toMatch(/"ratio":\s*1152921504606846977,/);
  });

  test('moved, tainted, replaced by another, targeted', async () => {
    const other = 'resource "terraform_data" "b" {\n  input = "1"\n}\n';
    await using workspace = await photoWorkspace(engine, photo(DB) + other);
    await workspace.apply('-target', ADDRESS);
    expect(await workspace.state('terraform_data.b')).toBeUndefined();
    expect((await workspace.apply()).stdout).toContain('1 added');

    const moved = `moved {\n  from = ${ADDRESS}\n  to   = stasis_photo.c\n}\n`;
    await writePhotos(workspace, photo(DB, 'shop', 'c') + other + moved);
    expect((await workspace.apply()).stdout).toContain('0 added, 0 changed, 0 destroyed');
    expect(await workspace.state('stasis_photo.c')).toMatchObject({ generation: 1 });

    await workspace.ok('taint', 'stasis_photo.c');
    const { text } = await workspace.planned();
    expect(text).toMatch(/is tainted, so (it )?must be replaced/);
    expect((await workspace.apply()).stdout).toContain('1 added, 0 changed, 1 destroyed');
    expect(await workspace.planned()).toMatchObject({ changes: false });

    const triggered = `${DB}\n  lifecycle {\n    replace_triggered_by = [terraform_data.b]\n  }`;
    await writePhotos(workspace, photo(triggered, 'shop', 'c') + other.replace('"1"', '"2"'));
    expect((await workspace.apply()).stdout).toContain('1 added, 1 changed, 1 destroyed');
  });

  test('a create that fails leaves nothing, an update that fails leaves what was; no secret is printed', async () => {
    await using workspace = await photoWorkspace(engine, photo(`${DB}\n  fail = "It broke:"`));
    const failed = await workspace.run(['apply', '-auto-approve', '-input=false']);
    expect(failed.status).toBe(1);
    expect(failed.all).toContain('It broke:');
    expect(failed.all).toContain('Do not ask for it.');
    expect(failed.all).toContain('(at members.db.postgres.url, code photo.failed)');
    expect(failed.all).toMatch(/on main\.tf line \d+/);
    expect(failed.all).not.toContain(PASSWORD);
    expect(await workspace.state(ADDRESS)).toBeUndefined();

    await writePhotos(workspace, photo(`${DB}\n  warn = "Mind the gap."`));
    const warned = await workspace.apply();
    expect(warned.stdout).toContain('Warning: Mind the gap.');
    const before = await workspace.state(ADDRESS);
    await writePhotos(workspace, photo(`${db('two')}\n  warn = "Mind the gap."\n  fail = "Again:"`));
    expect((await workspace.run(['apply', '-auto-approve', '-input=false'])).status).toBe(1);
    expect(await workspace.state(ADDRESS)).toEqual(before);

    // What cannot be removed stays in the state.
    await rm(photoFile(workspace));
    const kept = await workspace.run(['destroy', '-auto-approve', '-input=false', '-refresh=false']);
    expect(kept.status).toBe(1);
    expect(await workspace.state(ADDRESS)).toEqual(before);
  });
});
