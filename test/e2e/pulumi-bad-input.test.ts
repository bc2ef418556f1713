import { expect, jest, test } from '@jest/globals';
import { DB, PASSWORD, photo, photoWorkspace } from './pulumi/photo-workspace.ts';
import { describePulumi, type Workspace } from './pulumi/workspace.ts';

jest.setTimeout(240_000);

/** What a preview that is refused prints, on one line. */
async function refused(workspace: Workspace, program: string): Promise<string> {
  await workspace.write(program);
  const { status, all } = await workspace.run('preview');
  expect(status).not.toBe(0);
  expect(all).not.toContain(PASSWORD);
  return all.replace(/\s+/g, ' ');
}

describePulumi((tools) => {
  test('each mistake is told by the preview, at its property, with hint and code', async () => {
    await using workspace = await photoWorkspace(tools, photo(DB));
    const cases: readonly (readonly [program: string, property: string, reason: string])[] = [
      [
        photo('members: { two: { postgres: { url: "postgres://h/x" }, files: { path: /srv } } }'),
        'members.two',
        'The member "two" needs exactly one driver. Name one of postgres, files. (code member.one-driver)',
      ],
      [
        photo(DB.replace('postgres://', 'mysql://')),
        'members.db.postgres.url',
        'A URL begins with postgres://. (code input.invalid)',
      ],
      [
        photo('members: { docs: { files: { path: "" } } }'),
        'members.docs.files.path',
        '(code input.invalid)',
      ],
      [
        photo(DB).replace('name: shop', 'name: No-Name'),
        'name',
        'A name has lower-case letters only. (code input.invalid)',
      ],
      [photo(`${DB}\nholdMs: 1.5`), 'holdMs', '(code input.invalid)'],
    ];
    for (const [program, property, reason] of cases) {
      const all = await refused(workspace, program);
      expect(all).toContain(`property ${property} value`);
      expect(all).toContain(reason);
    }
    // The program's own host checks these against our schema, and prints the line as the user wrote it.
    expect(await refused(workspace, photo('members: { db: { postgres: { uri: here } } }'))).toContain('uri');
    expect(await refused(workspace, photo(`${DB}\nurgent: perhaps`))).toContain('urgent');
    expect(await refused(workspace, photo(`${DB}\nmode: rough`))).toContain('gentle');
    expect(await refused(workspace, photo('note: no members'))).toContain('members');
    expect(await refused(workspace, photo(`${DB}\nmoode: gentle`))).toContain('moode');
    expect(
      await refused(
        workspace,
        photo('members: { db: { postgres: { url: "postgres://h/x", endpoint: "h/x" } } }'),
      ),
    ).toContain('endpoint');
  });

  test("a mistake in the provider's configuration, and in a look-up, is told at its property", async () => {
    await using workspace = await photoWorkspace(tools, photo(DB));
    await workspace.ok(['config', 'set', 'stasis:token', 'short']);
    const configured = await refused(workspace, photo(DB));
    expect(configured).toContain("pulumi:providers:stasis resource 'default'");
    expect(configured).toContain('property token value');
    expect(configured).not.toContain('short }');
    await workspace.ok(['config', 'rm', 'stasis:token']);

    const lookup = `variables:\n  found:\n    fn::stasis:getPhoto: { name: nowhere }\noutputs:\n  ref: \${found.reference}\n`;
    expect(await refused(workspace, lookup)).toContain('There is no photo "nowhere".');
  });

  test('an explicit provider has a configuration of its own', async () => {
    await using workspace = await photoWorkspace(tools, photo(DB));
    const provider =
      '  mine:\n    type: pulumi:providers:stasis\n    properties: { folder: "{folder}/elsewhere" }\n';
    await workspace.write(photo(DB, `provider: \${mine}`) + provider);
    await workspace.up();
    await workspace.write(
      photo(DB, `provider: \${mine}`) +
        provider +
        `variables:\n  found:\n    fn::invoke:\n      function: stasis:getPhoto\n      arguments: { name: shop }\n      options: { provider: "\${mine}" }\noutputs:\n  ref: \${found.reference}\n`,
    );
    await workspace.up();
    expect(await workspace.outputs()).toEqual({ ref: 'shop@1' });
  });
});
