/** Locks the server of STASIS_TEST_URL, says so, and waits to be killed: what a death in the cut leaves behind. */
import { redisDriver } from '../../provider/drivers/redis/driver.ts';
import { localHost } from '../../provider/hosts/local/host.ts';
import { testContext } from './context.ts';

const url = process.env.STASIS_TEST_URL ?? '';
const session = await redisDriver.prepare({ url }, localHost(), testContext());
await session.hold!.freeze(Number(process.env.STASIS_TEST_LEASE_MS), new AbortController().signal);
console.log('locked');
setTimeout(() => process.exit(1), 60_000);
