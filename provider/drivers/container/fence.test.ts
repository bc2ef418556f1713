import { afterAll, beforeAll, describe, expect } from '@jest/globals';
import { ContainerApplication, makeImage } from '../../../test/support/container/rig.ts';
import { testContext } from '../../../test/support/context.ts';
import { labOrReason } from '../../../test/support/lab.ts';
import { memberOf } from '../../../test/support/member.ts';
import { Photographer } from '../../../test/support/process/photographer.ts';
import { on, until } from '../../../test/support/process/rig.ts';
import { testUnless } from '../../../test/support/skipped.ts';
import { fencedRestore, planFence } from '../../coordinator/fence.ts';
import { Journal, sweepJournals } from '../../coordinator/journal.ts';
import type { Member } from '../../coordinator/member.ts';
import type { Host } from '../../core/host.ts';
import { sleep } from '../../core/wait.ts';

const here = await labOrReason();
const labTest = testUnless(here.reason);
const PATIENCE_MS = 600_000;
const context = testContext();

const CHECKED =
  'podman run --detach --name checked --health-cmd "true" --health-interval disable --health-on-failure restart "$1" sleep 1000';

describe('a fence of containers', () => {
  let photographer: Photographer;
  let application: ContainerApplication;

  beforeAll(async () => {
    if (here.reason !== undefined) return;
    photographer = await Photographer.start(here);
    await makeImage(photographer.cloud);
    application = await ContainerApplication.start(photographer.cloud, 'network');
  }, PATIENCE_MS);
  afterAll(() => photographer?.[Symbol.asyncDispose](), PATIENCE_MS);

  const membersOn = (host: Host): Member[] =>
    ['tokens', 'redis'].map((name) => memberOf('container', { name }, { name, host }));

  /** What one of them has written down, some times a second. */
  function lines(): Promise<string> {
    return on(
      photographer.cloud,
      'wc -l < "$(podman volume inspect --format "{{.Mountpoint}}" lines)/lines"',
    );
  }

  labTest(
    'that died holds them until the sweep lifts it; then they have noticed nothing',
    async () => {
      const { cloud, store } = photographer;
      const originals = membersOn(cloud);
      const before = await application.state();
      const journal = new Journal(store, 'fence-dead');
      for (const { driver, spec, host, name } of originals)
        await driver.fence!.raise(
          spec,
          host,
          (entry) => journal.note(originals.find((one) => one.name === name)!, entry),
          context,
        );
      const stopped = await lines();
      await sleep(500);
      expect(await lines()).toBe(stopped);
      await sweepJournals(store, originals, context);
      await until(async () => (await application.state()).confirmed > before.confirmed + 10);
      expect(await application.state()).toMatchObject({ connections: 1, errors: 0, backwards: 0 });
      expect(await on(cloud, 'ls /run/stasis | grep fence || true')).toBe('');
    },
    PATIENCE_MS,
  );

  labTest(
    'is refused where podman would end what does not answer, until the hint is followed',
    async () => {
      const { cloud } = photographer;
      await on(cloud, CHECKED, await on(cloud, 'podman container inspect --format "{{.ImageName}}" redis'));
      const { driver, spec } = memberOf('container', { name: 'checked' });
      const [problem] = await driver.fence!.obstacles(spec, cloud, context);
      expect(problem).toMatchObject({ code: 'container.fence-health-check', at: ['name'] });
      await on(cloud, problem!.hint!);
      expect(await driver.fence!.obstacles(spec, cloud, context)).toEqual([]);
      await on(cloud, 'podman rm --force checked');
    },
    PATIENCE_MS,
  );

  labTest(
    'stops them for good at the step at which their twins go on',
    async () => {
      const { cloud, sovereign, store } = photographer;
      const [originals, targets] = [membersOn(cloud), membersOn(sovereign)];
      const request = await photographer.request(await photographer.photographAll('two', originals), targets);
      expect((await planFence(request, originals, context)).map(({ message }) => message)).toEqual([]);
      // That they stood is read, and not compared: nothing is dumped once more.
      const unlooked = originals.map((member) => ({
        ...member,
        driver: { ...member.driver, observe: () => Promise.reject(new Error('it was dumped once more')) },
      }));
      const { final, verdict } = await fencedRestore(request, unlooked, context);
      expect(verdict).toBe('identical');
      const { manifest } = await store.open(final.name, final.digest, context);
      for (const name of ['tokens', 'redis']) expect(manifest.members[name]?.stopped).toMatch(/./);

      const stopped = await lines();
      const twin = new ContainerApplication(sovereign, 'tokens');
      const { confirmed } = await twin.state();
      await until(async () => (await twin.state()).confirmed > confirmed + 10);
      // It counts a step that does not follow the one before as an error of its Redis.
      expect(await twin.state()).toMatchObject({ connections: 1, errors: 0, backwards: 0 });
      expect(await lines()).toBe(stopped);
      expect(await on(cloud, 'podman ps --format "{{.Names}}" | sort | xargs')).toBe('redis tokens');
      await expect(application.state()).rejects.toThrow();
    },
    PATIENCE_MS,
  );
});
