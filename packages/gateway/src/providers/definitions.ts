import { aiSdkDefinition } from './aiSdk/definition.ts';
import { arkDefinition } from './ark/definition.ts';
import { dashscopeDefinition } from './dashscope/definition.ts';
import type { CommonAccount, ProviderDefinition } from './definition.ts';
import { googleDefinition } from './google/definition.ts';
import { openaiDefinition } from './openai/definition.ts';
import type { Abilities } from './provider.ts';

/** Every provider that accounts can be configured for. A new one is a line here. */
export const DEFINITIONS: readonly ProviderDefinition<CommonAccount>[] = [
  openaiDefinition,
  googleDefinition,
  dashscopeDefinition,
  arkDefinition,
  aiSdkDefinition,
];

/** What each adapter can do, the built-in renderer first. */
export const ABILITIES: Readonly<Record<string, Abilities>> = {
  preview: {
    cancel: 'any',
    find: 'full',
    resumeDownload: true,
    batchPolling: false,
    callbacks: false,
    hints: true,
    progress: true,
    discard: true,
    resumeJob: true,
    upstreamTime: false,
  },
  ...Object.assign({}, ...DEFINITIONS.map(({ abilities }) => abilities)),
};
