// A user's own tests, run by jest in a project of CommonJS. {library} stands for the library.
const { App, TerraformOutput, TerraformStack, Testing, Token, Fn } = require('{library}');
const {
  bindings,
  getSnapshot,
  getSnapshots,
  Member,
  Restore,
  SecretVariable,
  Snapshot,
  StasisProvider,
} = require('@stasis-iac/constructs/{library}');

Testing.setupJest();

/** A reference as Terraform writes it. */
const ref = (path) => `$\{${path}}`;
const site = { site: Member.files({ path: '/srv/site' }) };
const synth = (build) => Testing.synthScope(build);
const bodyOf = (build) => JSON.parse(synth(build));

test('the matchers of the library find what the constructs make', () => {
  const program = synth((scope) => {
    new StasisProvider(scope, 'stasis', { store: { path: './snapshots' }, maxPauseMs: 3_000, alias: 'eu' });
    const shop = new Snapshot(scope, 'shop', { members: site, keep: 3, deletionPolicy: 'delete' });
    Restore.from(shop, { members: { site: Member.files({ path: '/srv/twin' }) } });
    getSnapshot(scope, 'newest', { snapshot: 'shop' });
  });
  expect(program).toHaveResourceWithProperties(bindings.StasisSnapshot, {
    name: 'shop',
    members: { site: { files: { path: '/srv/site' } } },
    keep: 3,
    deletion_policy: 'delete',
  });
  expect(program).toHaveResource(bindings.StasisRestore);
  expect(program).toHaveResource(Restore);
  expect(program).not.toHaveResourceWithProperties(Snapshot, { keep: 4 });
  expect(program).toHaveDataSourceWithProperties(bindings.DataStasisSnapshot, { snapshot: 'shop' });
  expect(program).toHaveProviderWithProperties(StasisProvider, { max_pause_ms: 3_000, alias: 'eu' });
});

test('tokens stay what they are, wherever they stand', () => {
  const { resource, output } = bodyOf((scope) => {
    const url = new SecretVariable(scope, 'orders_url').stringValue;
    const shop = new Snapshot(scope, 'shop', {
      name: Fn.lower('SHOP'),
      members: {
        orders: Member.postgres({
          url,
          databases: Token.asList(ref('local.databases')),
          jobs: Token.asNumber(ref('local.jobs')),
        }),
      },
      store: { path: `${ref('path.root')}/snapshots` },
      triggers: Token.asStringMap(ref('local.triggers')),
    });
    const lower = new bindings.StasisSnapshot(scope, 'lower', {
      name: 'lower',
      members: Token.asAny(ref('local.members')),
    });
    new TerraformOutput(scope, 'endpoint', { value: shop.members.get('orders').postgres.endpoint });
    new TerraformOutput(scope, 'outside', { value: shop.coverage.get(0).outside });
    new TerraformOutput(scope, 'all', { value: [shop.sharp, shop.blurMs, lower.reference, shop.triggers] });
  });
  expect(resource.stasis_snapshot.shop).toMatchObject({
    name: ref('lower("SHOP")'),
    members: {
      orders: {
        postgres: { url: ref('var.orders_url'), databases: ref('local.databases'), jobs: ref('local.jobs') },
      },
    },
    store: { path: `${ref('path.root')}/snapshots` },
    triggers: ref('local.triggers'),
  });
  expect(resource.stasis_snapshot.lower.members).toBe(ref('local.members'));
  expect(output.endpoint.value).toBe(ref('stasis_snapshot.shop.members["orders"].postgres.endpoint'));
  expect(output.outside.value).toBe(ref('stasis_snapshot.shop.coverage[0].outside'));
  expect(output.all.value).toEqual([
    ref('stasis_snapshot.shop.sharp'),
    ref('stasis_snapshot.shop.blur_ms'),
    ref('stasis_snapshot.lower.reference'),
    ref('stasis_snapshot.shop.triggers'),
  ]);
});

test('a Restore stands beside its snapshot, in its store, unless another place is named', () => {
  const store = { path: '/srv/snapshots' };
  const { resource } = bodyOf((scope) => {
    const shop = new Snapshot(scope, 'shop', { members: site, store });
    Restore.from(shop, { members: site });
    Restore.from(shop, { id: 'twin', members: site, store: { path: '/mnt' }, overwrite: true });
    const found = getSnapshot(scope, 'found', { snapshot: 'shop:3', store });
    Restore.from(found, { members: site, dependsOn: [shop] });
    new Restore(scope, 'plain', { snapshot: 'shop', members: site });
  });
  expect(resource.stasis_restore['shop-restore']).toMatchObject({
    snapshot: ref('stasis_snapshot.shop.reference'),
    store,
  });
  expect(resource.stasis_restore.twin).toMatchObject({ store: { path: '/mnt' }, overwrite: true });
  expect(resource.stasis_restore['found-restore']).toMatchObject({
    snapshot: ref('data.stasis_snapshot.found.reference'),
    store,
    depends_on: ['stasis_snapshot.shop'],
  });
  expect(resource.stasis_restore.plain.store).toBeUndefined();
});

test('a secret variable is ephemeral and sensitive; a password in plain text is warned of, and never printed', () => {
  const warnings = [];
  const { variable } = bodyOf((scope) => {
    new SecretVariable(scope, 'orders_url', { description: 'Where the orders are.' });
    const plain = 'postgres://app:Pl4nted@db.internal/orders';
    const shop = new Snapshot(scope, 'shop', { members: { orders: Member.postgres({ url: plain }) } });
    const quiet = new Snapshot(scope, 'quiet', {
      members: {
        orders: Member.postgres({ url: 'postgres://db.internal/orders' }),
        carts: Member.redis({ url: `redis://:${new SecretVariable(scope, 'password').stringValue}@cache` }),
      },
    });
    for (const { node } of [shop, quiet])
      warnings.push(node.metadata.filter(({ type }) => type.includes('warn')).map(({ data }) => data));
  });
  expect(variable.orders_url).toEqual({
    type: 'string',
    sensitive: true,
    ephemeral: true,
    nullable: false,
    description: 'Where the orders are.',
  });
  expect(warnings).toEqual([[expect.stringContaining('members.orders.postgres.url')], []]);
  expect(JSON.stringify(warnings)).not.toContain('Pl4nted');
});

test.each([
  [
    'two drivers',
    { members: { a: { files: { path: '/a' }, redis: { url: 'redis://c' } } } },
    'member.two-drivers',
    'members.a',
  ],
  ['no driver', { members: { a: {} } }, 'member.no-driver', 'members.a'],
  ['an unknown driver', { members: { a: { mysql: {} } } }, 'input.unknown-attribute', 'members.a.mysql'],
  [
    'a typing mistake',
    { members: { a: { files: { path: '/a', excludes: [] } } } },
    'input.unknown-attribute',
    'excludes',
  ],
  [
    'nothing where something is due',
    { members: { a: { files: {} } } },
    'input.missing',
    'members.a.files.path',
  ],
  ['no members', {}, 'input.missing', 'members'],
])('a program without types is told of %s, at its place', (_name, props, code, place) => {
  const fault = (() => {
    try {
      synth((scope) => new Snapshot(scope, 'shop', props));
    } catch (error) {
      return error;
    }
  })();
  expect(fault).toMatchObject({ code, message: expect.stringContaining(place) });
});

test('the name is the id, which then must be one', () => {
  expect(() => synth((scope) => new Snapshot(scope, 'MyShop', { members: site }))).toThrow(
    "{ name: 'shop' }",
  );
  const named = synth((scope) => new Snapshot(scope, 'MyShop', { name: 'shop', members: site }));
  expect(named).toHaveResourceWithProperties(Snapshot, { name: 'shop' });
});

test('what was given can be read, changed and taken away', () => {
  const program = synth((scope) => {
    const shop = new Snapshot(scope, 'shop', { members: site, keep: 3, maxBlurMs: 5 });
    shop.keep = shop.keepInput + 1;
    shop.maxBlurMs = undefined;
    const all = getSnapshots(scope, 'all', { name: 'shop' });
    new TerraformOutput(scope, 'newest', { value: all.snapshots.get(0).cutAt });
    Snapshot.generateConfigForImport(scope, 'taken', '/srv/snapshots#shop');
  });
  const { resource, output } = JSON.parse(program);
  expect(resource.stasis_snapshot.shop.keep).toBe(4);
  expect(resource.stasis_snapshot.shop).not.toHaveProperty('max_blur_ms');
  expect(output.newest.value).toBe(ref('data.stasis_snapshots.all.snapshots[0].cut_at'));
  expect(JSON.parse(program).import).toEqual([{ to: 'stasis_snapshot.taken', id: '/srv/snapshots#shop' }]);
});

test('a stack without the provider is refused by the library', () => {
  const app = Testing.app();
  const stack = new TerraformStack(app, 'bare');
  new Snapshot(stack, 'shop', { members: site });
  expect(app).toBeInstanceOf(App);
  expect(() => Testing.synth(stack, true)).toThrow(/provider/i);
});
