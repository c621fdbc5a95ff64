import { aiSdkKind } from './aiSdk/definition.ts';
import { arkKind } from './ark/definition.ts';
import { dashscopeKind } from './dashscope/definition.ts';
import type { CommonAccount, ProviderKind } from './definition.ts';
import { googleKind } from './google/definition.ts';
import { openaiKind } from './openai/definition.ts';
import type { Abilities } from './provider.ts';

/** Every provider that accounts can be configured for. A new one is a line here. */
export const KINDS: readonly ProviderKind<CommonAccount>[] = [
  openaiKind,
  googleKind,
  dashscopeKind,
  arkKind,
  aiSdkKind,
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
  ...Object.assign({}, ...KINDS.map(({ abilities }) => abilities)),
};
