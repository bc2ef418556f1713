import { afterAll, beforeAll, describe, expect } from '@jest/globals';
import { labOrReason } from '../../../test/support/lab.ts';
import { inside, Photographer } from '../../../test/support/process/photographer.ts';
import { noIoUring } from '../../../test/support/process/rig.ts';
import { WARM_SERVERS } from '../../../test/support/process/servers.ts';
import { testUnless } from '../../../test/support/skipped.ts';
import { once } from '../../core/content.ts';

const here = await labOrReason();
const labTest = testUnless(here.reason);
const PATIENCE_MS = 240_000;

describe('a server with what it has in memory', () => {
  let photographer: Photographer;

  beforeAll(async () => {
    if (here.reason !== undefined) return;
    photographer = await Photographer.start(here);
    const { signal } = new AbortController();
    await photographer.cloud.write('/opt/no-io-uring', once(noIoUring()), { signal, mode: 0o644 });
  }, PATIENCE_MS);
  afterAll(() => photographer?.[Symbol.asyncDispose](), PATIENCE_MS);

  for (const server of WARM_SERVERS)
    labTest(
      `${server.name} comes back warm on another host, and works there; so does the original`,
      async () => {
        const { cloud, sovereign } = photographer;
        await server.start(cloud);
        const known = await inside(cloud, server.spec.pidFile, server.knows);
        expect((await photographer.plan(server.spec)).problems).toEqual([]);
        const sealed = await photographer.photograph(server.name, server.spec);
        expect(sealed.manifest).toMatchObject({ sharp: true, blurMs: 0 });

        const twin = await photographer.bringBack(sealed, sovereign);
        expect(twin.result.verdict).toBe('identical');
        expect(await twin.run(server.knows)).toBe(known);
        await twin.run(server.works);
        expect(await inside(cloud, server.spec.pidFile, server.knows)).toBe(known);
        await inside(cloud, server.spec.pidFile, server.works);
        await twin.end();
      },
      PATIENCE_MS,
    );
});
