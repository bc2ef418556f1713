import packageJson from '../../package.json' with { type: 'json' };

/** The version of the package, everywhere. */
export const VERSION: string = packageJson.version;
