import { startLab } from '../../scripts/lab/lab.ts';
import { findRoot } from '../../scripts/lab/root.ts';

/** Starts a lab of the name argv[2] that stays (argv[3] is `stays`) or goes with us, says so, and waits to be killed. */
const root = await findRoot();
if (root === undefined) throw new Error('the root file system is not built');
console.log('starting');
await startLab(root, { name: process.argv[2] ?? '', stays: process.argv[3] === 'stays' });
console.log('up');
setInterval(() => undefined, 60_000);
