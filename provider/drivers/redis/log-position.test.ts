import { describe, expect, test } from '@jest/globals';
import { testContext } from '../../../test/support/context.ts';
import { capture, host, tell } from '../../../test/support/redis-capture.ts';
import { startRedis } from '../../../test/support/redis-server.ts';
import { redisVersions } from '../../../test/support/redis-versions.ts';
import { redisDriver } from './driver.ts';

const { servers } = await redisVersions();

describe.each([...servers])('the log of $product $version', ({ path: binary }) => {
  test('is known at the cut, and so is what was written to it since, to the byte', async () => {
    await using server = await startRedis({ binary });
    await tell(server, ['SET', 'a', '1']);
    const since = (await capture({ url: server.url })).from.position!;
    const progress = () => redisDriver.progress!({ url: server.url }, host, since, testContext());
    // The sync of the capture is a replica for a moment, which the server may have sent a PING.
    const first = await progress();
    expect([0, 14]).toContain(first.bytes);
    expect(first.atCut).toBe(since.at);
    await tell(server, ['SET', 'b', '2']);
    const one = await progress();
    await tell(server, ['SET', 'c', '3']);
    const two = await progress();
    expect(two.bytes! - one.bytes!).toBe('*3\r\n$3\r\nSET\r\n$1\r\nc\r\n$1\r\n3\r\n'.length);
    expect(two.now).toBe(String(Number(since.at) + two.bytes!));
    await using other = await startRedis({ binary });
    await expect(redisDriver.progress!({ url: other.url }, host, since, testContext())).rejects.toMatchObject(
      { code: 'lost-work.other-log' },
    );
  });
});
