import manifest from '../package.json' with { type: 'json' };

/** The version of this build, shown in the OpenAPI document and in the log. */
export const VERSION: string = manifest.version;
