import manifest from '../package.json' with { type: 'json' };

/** This build's version, told in the OpenAPI document and in the log. */
export const VERSION: string = manifest.version;
