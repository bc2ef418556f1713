// Stops a VM of a host, or begins to save it, and stays there until it is killed:
//   held-child.ts SPEC SSH STEP      both in JSON; prints `there` once it is where STEP says
import { vmDriver } from '../../../provider/drivers/vm/driver.ts';
import { sshHost } from '../../../provider/hosts/ssh/host.ts';
import { testContextOutside } from '../process/context-outside.ts';

const [spec, ssh, step] = process.argv.slice(2);
const context = testContextOutside();
const host = sshHost('cloud', JSON.parse(ssh!));
const session = await vmDriver.prepare(vmDriver.spec.parse(JSON.parse(spec!)), host, context);
await session.hold!.settle!(context.signal);
await session.hold!.freeze(Number(process.env.LEASE_MS), context.signal);
if (step === 'saving') void session.mark!.take(context.signal);
if (step === 'saved' || step === 'copying') await session.mark!.take(context.signal);
if (step === 'copying') await session.hold!.thaw();
console.log('there');
await new Promise(() => setInterval(() => {}, 1_000));
