import { expect, jest, test } from '@jest/globals';
import { describeEngines } from './terraform/engines.ts';
import { ADDRESS, DB, PASSWORD, photo, photoWorkspace, writePhotos } from './terraform/photo-workspace.ts';
import type { Workspace } from './terraform/workspace.ts';

jest.setTimeout(240_000);

/** What a plan that is refused prints. */
async function refused(workspace: Workspace, ...args: string[]): Promise<string> {
  const { status, all } = await workspace.run(['plan', '-input=false', ...args]);
  expect(status).toBe(1);
  return all.replace(/\s*\n\s*/g, '\n');
}

describeEngines((engine) => {
  test('each mistake is told at plan time, at its line, with hint and code', async () => {
    await using workspace = await photoWorkspace(engine, photo(DB));

    await writePhotos(
      workspace,
      photo(`members = {
    none = {}
    two = {
      postgres = { url = "postgres://h/x" }
      files    = { path = "/srv" }
    }
  }`),
    );
    const drivers = await refused(workspace);
    expect(drivers).toContain('The member "none" needs exactly one driver.');
    expect(drivers).toContain('Name one of postgres, files.');
    expect(drivers).toContain('(at members.two, code member.one-driver)');
    expect(drivers).toMatch(/on main\.tf line \d+, in resource "stasis_photo" "a":\n\d+:\s+none = \{\}/);

    await writePhotos(workspace, photo(DB.replace('postgres://', 'mysql://')));
    const url = await refused(workspace);
    expect(url).toContain('A URL begins with postgres://.');
    expect(url).toContain('(at members.db.postgres.url, code input.invalid)');
    // The engine prints the line that we point at: never one that holds a secret.
    expect(url).toMatch(/\d+: resource "stasis_photo" "a" \{/);
    expect(url).not.toContain(PASSWORD);

    await writePhotos(workspace, photo('members = {\n    docs = { files = { path = "" } }\n  }'));
    const path = await refused(workspace);
    expect(path).toContain('(at members.docs.files.path, code input.invalid)');
    expect(path).toMatch(/\d+:\s+docs = \{/);

    await writePhotos(workspace, photo('members = { gone = null }'));
    const nothing = await refused(workspace);
    expect(nothing).toContain('"gone" is null.');
    expect(nothing).toContain('code input.null-element');

    await writePhotos(workspace, photo(`${DB}\n  mode = "rough"`, 'No-Name'));
    const several = await refused(workspace);
    expect(several).toContain('A name has lower-case letters only.');
    expect(several).toMatch(/\d+:\s+mode = "rough"/);

    await writePhotos(workspace, photo(DB.replace('url =', 'uri =')));
    const unknown = await refused(workspace);
    // Terraform's own check, against our schema.
    expect(unknown).toMatch(/attribute "url" is required|Unsupported attribute|unsupported attribute/);

    await writePhotos(workspace, photo('members = { db = { files = { path = "/srv", endpoint = "x" } } }'));
    expect(await refused(workspace)).toContain('"endpoint" is computed, and cannot be set.');
    expect(await workspace.state(ADDRESS)).toBeUndefined();
  });

  test('a mistake is told although the value beside it is not known yet', async () => {
    const later = 'resource "terraform_data" "later" {\n  input = "h"\n}\n';
    const two = `members = {
    db = {
      postgres = { url = "postgres://\${terraform_data.later.output}/x", jobs = -1 }
      files    = { path = terraform_data.later.output }
    }
  }`;
    await using workspace = await photoWorkspace(engine, later + photo(two));
    const jobs = await refused(workspace);
    expect(jobs).toContain('(at members.db.postgres.jobs, code input.invalid)');
    await writePhotos(workspace, later + photo(two.replace(', jobs = -1', '')));
    expect(await refused(workspace)).toContain('The member "db" needs exactly one driver.');
  });

  test("the provider's own configuration is checked, also by the definition", async () => {
    await using workspace = await photoWorkspace(engine, photo(DB));
    await workspace.write(`provider "stasis" {\n  token = "short"\n}\n${photo(DB)}`);
    const token = await refused(workspace);
    expect(token).toContain('(at token, code input.invalid)');
    expect(token).toMatch(/\d+: provider "stasis" \{/);
    expect(token).not.toContain('"short"');
    await workspace.write(photo(DB));
    expect(await refused(workspace)).toContain('code photo.no-folder');
  });
});
