import { entryOf, simulatorOf, FAMILIES as TITLED } from '../../scripts/families.ts';

/** A family of models, with one of its models. */
export interface Family {
  /** The simulator that plays its provider. */
  readonly upstream: string;
  readonly model: string;
  /** Prompt markers of the simulator, and the reason with which each must end. */
  readonly endings: Readonly<Record<string, string>>;
  /** A prompt marker of the simulator that every task has. */
  readonly always?: string;
  /** How many bills a video has: a server of one's own bills nothing. */
  readonly bills: 0 | 1;
}

const ENDINGS = {
  '[moderation]': 'content_rejected',
  '[moderation-input]': 'content_rejected',
  '[fail]': 'upstream_failed',
};

/** What is different about some upstreams' models. */
const SPECIAL: Readonly<Record<string, Partial<Family>>> = {
  'veo-3.1-generate-001': { endings: { ...ENDINGS, '[filtered]': 'content_rejected' } },
  // A workflow judges no content, and the server executes one at a time.
  'comfyui-wan2.2-5b': { endings: { '[fail]': 'upstream_failed' }, always: '[quick]' },
};

/** Every family that comes with the gateway, except the renderer in it: those of `npm run soak`. */
export const SOAKED: readonly Family[] = TITLED.flatMap((family) => {
  const upstream = simulatorOf(family);
  const { id: model, price } = entryOf(family);
  const isFree = price.rates.every((rate) => rate.microsPerSecond === 0 && !rate.microsPerVideo);
  return upstream === undefined
    ? []
    : [{ upstream, model, endings: ENDINGS, bills: isFree ? 0 : 1, ...SPECIAL[model] }];
});

const CHAOTIC = [
  'sora-2',
  'veo-3.1-generate-001',
  'gemini-omni-1.2-flash',
  'wan2.7-t2v',
  'seedance-2.0',
  'kling-v3',
  'runway-gen4.5',
];

/** Those of `npm run chaos`, where lost submissions are found by a key, in a list, or not at all. */
export const FAMILIES: readonly Family[] = CHAOTIC.flatMap((id) =>
  SOAKED.filter(({ model }) => model === id),
);

/** The renderer in the gateway itself: no upstream has records of it. */
export const BUILT_IN: Family = { upstream: 'preview', model: 'onetake-preview', endings: {}, bills: 0 };

/** The simulators of `FAMILIES`. */
export const UPSTREAMS = [...new Set(FAMILIES.map(({ upstream }) => upstream))];

/** Limits of accounts: the providers' documented ones would spread 2,000 tasks over an hour. */
export const WIDE_LIMITS = { in_flight: 400, submits_per_minute: 60_000 };
