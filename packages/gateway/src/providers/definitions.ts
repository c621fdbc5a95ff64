import { aiSdkDefinition } from './aiSdk/definition.ts';
import { arkDefinition } from './ark/definition.ts';
import { dashscopeDefinition } from './dashscope/definition.ts';
import type { CommonAccount, ProviderDefinition } from './definition.ts';
import { googleDefinition } from './google/definition.ts';
import { openaiDefinition } from './openai/definition.ts';
import { PREVIEW_ABILITIES } from './preview/provider.ts';
import type { Abilities } from './provider.ts';

/** Every provider that accounts can be configured for. A new provider is a line here. */
export const DEFINITIONS: readonly ProviderDefinition<CommonAccount>[] = [
  openaiDefinition,
  googleDefinition,
  dashscopeDefinition,
  arkDefinition,
  aiSdkDefinition,
];

/** What each adapter can do. The built-in renderer comes first. */
export const ABILITIES: Readonly<Record<string, Abilities>> = {
  preview: PREVIEW_ABILITIES,
  ...Object.assign({}, ...DEFINITIONS.map(({ abilities }) => abilities)),
};
