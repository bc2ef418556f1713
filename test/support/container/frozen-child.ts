// Freezes the containers of a host, or lets their dump begin, and stays there until it is killed:
//   frozen-child.ts SPEC SSH STEP      both in JSON; prints `there` once it is where STEP says
import { containerDriver } from '../../../provider/drivers/container/driver.ts';
import { sshHost } from '../../../provider/hosts/ssh/host.ts';
import { testContextOutside } from '../process/context-outside.ts';

const [spec, ssh, step] = process.argv.slice(2);
const context = testContextOutside();
const host = sshHost('cloud', JSON.parse(ssh!));
const session = await containerDriver.prepare(containerDriver.spec.parse(JSON.parse(spec!)), host, context);
await session.hold!.settle!(context.signal);
await session.hold!.freeze(Number(process.env.LEASE_MS), context.signal);
if (step === 'dumping') void session.mark!.take(context.signal);
if (step === 'dumped') await session.mark!.take(context.signal);
console.log('there');
await new Promise(() => setInterval(() => {}, 1_000));
