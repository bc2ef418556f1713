import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ContainerApplication, makeImage } from '../../../test/support/container/rig.ts';
import { testContext } from '../../../test/support/context.ts';
import { type Lab, labOrReason } from '../../../test/support/lab.ts';
import { labHost, on } from '../../../test/support/process/rig.ts';
import { testUnless } from '../../../test/support/skipped.ts';
import type { Host } from '../../core/host.ts';
import { problemsOf } from '../../core/schema.ts';
import { sshHost } from '../../hosts/ssh/host.ts';
import { unpackImages } from '../../runtime/images/packed.ts';
import { packDefinition } from './definition.ts';
import { containerDriver } from './driver.ts';

const here = await labOrReason();
const labTest = testUnless(here.reason);
const PATIENCE_MS = 300_000;

describe('a container’s spec', () => {
  test.each([
    [{}, 'container.which'],
    [{ name: 'a', pod: 'b' }, 'container.which'],
    [{ name: '-rf' }, 'input.invalid'],
    [{ name: 'a b' }, 'input.invalid'],
    [{ name: 'a', files: ['relative'] }, 'input.invalid'],
    [{ name: 'a', image: 'b' }, 'input.unknown-attribute'],
  ])('%j is refused', (spec, code) => {
    expect(problemsOf(containerDriver.spec, spec).map((problem) => problem.code)).toContain(code);
  });

  test('endpoints tell containers and pods apart', () => {
    const endpoints = [{ name: 'a' }, { pod: 'a' }, { name: 'b' }].map((spec) =>
      containerDriver.endpoint(containerDriver.spec.parse(spec)),
    );
    expect(new Set(endpoints).size).toBe(3);
  });

  test('a description is read back as it was packed', async () => {
    const files = new Map([
      ['config.dump', Buffer.alloc(512, 'a')],
      ['spec.dump', Buffer.from('{}')],
      ['empty', Buffer.alloc(0)],
    ]);
    const packed = packDefinition(files);
    const unpacked = await unpackImages(
      (async function* () {
        yield packed;
      })(),
    );
    expect([...unpacked]).toEqual([...files]);
  });
});

describe('a plan', () => {
  let lab: Lab;
  let cloud: Host & AsyncDisposable;

  beforeAll(async () => {
    if (here.reason !== undefined) return;
    lab = await here.start();
    cloud = labHost(lab, 'cloud');
    const image = await makeImage(cloud);
    await ContainerApplication.start(cloud, 'network');
    const run =
      'name=$1 image=$2; shift 2; podman run --detach --name "$name" "$@" "$image" sleep 600 > /dev/null';
    const start = (name: string, ...flags: string[]) => on(cloud, run, name, image, ...flags);
    await on(cloud, 'mkdir -p /srv/shared /srv/read');
    await start('hosted', '--network', 'none', '--pid', 'host');
    await start('open', '--network', 'host');
    await start('privileged', '--network', 'none', '--privileged');
    await start('devices', '--network', 'none', '--device', '/dev/fuse');
    await start(
      'bound',
      '--network',
      'none',
      '--volume',
      '/srv/shared:/shared',
      '--volume',
      '/srv/read:/read:ro',
    );
    const listen =
      'mkdir -p /srv/wired; setsid socat UNIX-LISTEN:/srv/wired/door.sock,fork PIPE > /dev/null 2>&1 < /dev/null &';
    await on(cloud, listen);
    await on(
      cloud,
      `podman run --detach --name wired --network none --volume /srv/wired:/wired "$1" node -e "$2" > /dev/null`,
      image,
      'require("net").connect("/wired/door.sock"); setInterval(() => {}, 100000)',
    );
    await start('joined', '--network', 'container:tokens');
    await start('watched', '--network', 'none');
    await on(cloud, 'podman exec --detach watched sleep 500');
    await on(cloud, 'podman create --name made --network none "$1" sleep 1 > /dev/null', image);
    await on(
      cloud,
      'podman pod create --name group --network none > /dev/null && podman run --detach --pod group --name inner "$1" sleep 600 > /dev/null',
      image,
    );
  }, PATIENCE_MS);
  afterAll(async () => {
    await cloud?.[Symbol.asyncDispose]();
    await lab?.[Symbol.asyncDispose]();
  }, PATIENCE_MS);

  async function planned(spec: object, host = cloud) {
    return containerDriver.plan(containerDriver.spec.parse(spec), host, testContext());
  }

  async function codesOf(spec: object): Promise<string[]> {
    const { problems } = await planned(spec);
    for (const { hint } of problems) expect(hint).toMatch(/\.$/);
    return problems.map(({ code }) => code);
  }

  labTest(
    'of a container that can be captured tells its size, the pause, and what is outside of it',
    async () => {
      const plan = await planned({ name: 'tokens' });
      expect(plan.problems).toEqual([]);
      expect(plan.sizeBytes).toBeGreaterThan(50_000_000);
      expect(plan.pauseMs).toBeGreaterThan(0);
      expect(plan.outside.map(({ code }) => code)).toEqual(['container.peer', 'container.log']);
      expect(plan.outside[0]?.message).toContain('10.89.7.10:6379');
      expect(plan.system).toMatchObject({ product: 'podman', images: 'localhost/stasis-test:1' });
    },
    PATIENCE_MS,
  );

  labTest(
    'names what is not there, and what cannot be captured, with what to do',
    async () => {
      const expected: readonly (readonly [object, string])[] = [
        [{ name: 'nobody' }, 'container.not-found'],
        [{ pod: 'nobody' }, 'container.not-found'],
        [{ name: 'made' }, 'container.not-running'],
        [{ name: 'inner' }, 'container.in-pod'],
        [{ name: 'hosted' }, 'container.host-namespace'],
        [{ name: 'open' }, 'container.host-namespace'],
        [{ name: 'privileged' }, 'container.privileged'],
        [{ name: 'devices' }, 'container.device'],
        [{ name: 'bound' }, 'container.bind-mount'],
        [{ name: 'joined' }, 'container.joined'],
        [{ name: 'watched' }, 'container.exec-session'],
        [{ name: 'wired', files: ['/srv/wired'] }, 'container.unix-peer'],
        [{ name: 'tokens', files: ['/none'] }, 'container.no-folder'],
        [{ name: 'tokens', files: ['/srv/shared'] }, 'container.not-mounted'],
      ];
      for (const [spec, code] of expected) expect([spec, await codesOf(spec)]).toEqual([spec, [code]]);
      const bound = await planned({ name: 'bound', files: ['/srv/shared'] });
      expect(bound.problems).toEqual([]);
      expect(bound.outside.map(({ code }) => code)).toEqual(['container.read-only-mount', 'container.log']);
      expect((await planned({ pod: 'group' })).problems).toEqual([]);
    },
    PATIENCE_MS,
  );

  labTest('refuses who is not root', async () => {
    await using deploy = sshHost('cloud', {
      ...{ address: lab.hosts.cloud.address, user: 'deploy' },
      ...{ privateKeyFile: lab.keyFile, knownHostsFile: lab.knownHostsFile },
    });
    const { problems } = await containerDriver.plan({ name: 'tokens' }, deploy, testContext());
    expect(problems.map(({ code }) => code)).toEqual(['container.rootless']);
  });
});
