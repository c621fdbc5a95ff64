/** The public exports of this package. */

export { createOnetake, type OnetakeProvider, type OnetakeProviderSettings, onetake } from './provider.ts';
