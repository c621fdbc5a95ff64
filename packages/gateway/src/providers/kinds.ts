import type { CommonAccount, ProviderKind } from './providerKind.ts';

/** Every provider that accounts can be configured for. A new one is a line here. */
export const KINDS: readonly ProviderKind<CommonAccount>[] = [];
