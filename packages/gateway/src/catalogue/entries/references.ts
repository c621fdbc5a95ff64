import type { ModelEntry, ReferenceLimits } from '../model.ts';

type References = NonNullable<ModelEntry['parameters']['references']>;

type Kind = References['takes'][number];
export type Limits = NonNullable<Kind['limits']>;

/** Up to `max` reference images without a role. */
export const images = (max: number, limits?: ReferenceLimits): References => ({
  kind: 'references',
  takes: [{ type: 'image', max, ...(limits ? { limits } : {}) }],
});
