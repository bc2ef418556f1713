import { bundle, sizes } from './build/bundle.ts';
import { buildConstructs } from './build/constructs.ts';
import { say } from './setup/say.ts';

/**
 * `npm run build`: the command line and the plugins as bundles in dist/, and the package of the constructs in
 * dist/constructs, when a source has changed since the last time.
 */
const startedAtMs = Date.now();
if (await bundle()) say(`built ${(await sizes()).join(', ')} in ${Date.now() - startedAtMs} ms`);
else say('dist/ is up to date');
if (await buildConstructs()) say('built dist/constructs');
