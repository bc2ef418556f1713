import { bundle, sizes } from './build/bundle.ts';
import { say } from './setup/say.ts';

/** `npm run build`: the command line and the plugin as bundles in dist/, when a source has changed since the last time. */
const startedAtMs = Date.now();
if (await bundle()) say(`built ${(await sizes()).join(', ')} in ${Date.now() - startedAtMs} ms`);
else say('dist/ is up to date');
