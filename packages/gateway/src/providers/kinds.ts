import { aiSdkKind } from './aiSdk/kind.ts';
import { arkKind } from './ark/kind.ts';
import { dashscopeKind } from './dashscope/kind.ts';
import { googleKind } from './google/kind.ts';
import { openaiKind } from './openai/kind.ts';
import type { Abilities } from './provider.ts';
import type { CommonAccount, ProviderKind } from './providerKind.ts';

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
