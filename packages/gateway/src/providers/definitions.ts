import { aiSdkDefinition } from './aiSdk/definition.ts';
import { arkDefinition } from './ark/definition.ts';
import { dashscopeDefinition } from './dashscope/definition.ts';
import { SHIPPED } from './declared/load.ts';
import { abilitiesOf } from './declared/provider.ts';
import type { CommonAccount, ProviderDefinition } from './definition.ts';
import { googleDefinition } from './google/definition.ts';
import { openaiDefinition } from './openai/definition.ts';
import { PREVIEW_ABILITIES } from './preview/provider.ts';
import type { Abilities } from './provider.ts';

/** Every provider with an adapter of its own. A new one is a line here. Files declare others (`declared/`). */
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
  ...Object.fromEntries(SHIPPED.map((file) => [file.provider, abilitiesOf(file)])),
};
