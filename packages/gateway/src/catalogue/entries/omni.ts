import type { ImageLimits, ModelEntry, RateSpec, SourceSpec } from '../model.ts';
import { images } from './references.ts';

/**
 * Sources: Google's guide "Generate and edit videos with Gemini Omni Flash" (ai.google.dev/gemini-api/docs/omni, as of 2026-09-18) for inputs and
 * limits, the types of `@google/genai` 3.3.0 for names and values. Clients of the service published that a duration outside the range is refused,
 * that ten seconds are made without one, and how many tokens a second has.
 */
const SHARED = {
  family: 'gemini-omni',
  provider: 'google',
  protocol: 'interactions',
  delivery: 'url',
  // The gateway's own limit: the prompt is charged by tokens, and what is held covers only so many (`BESIDES`). The guide states none.
  promptMaxLength: 3000,
  // Published by clients: three seconds take 16 s at 360p and 45 s at 1080p, ten seconds about a minute, 4k up to 20 minutes.
  typical: { medianSeconds: 60, p90Seconds: 180 },
  cancel: 'running',
  notes: [
    'Every video has audio. 1080p and 4k are upscaled.',
    "A prompt with images is sent after a declaration of what each is for, in the tags of Google's guide; one with such tags of its own is sent as it is.",
    'The limits of prompts and images are those of this gateway: what is held covers the prompt, and every poll repeats the images.',
    "Google's own price page could not be read, so the prices are those that its resellers and clients report of it.",
  ],
} satisfies Partial<ModelEntry>;

type Parameters = ModelEntry['parameters'];
type Rules = NonNullable<ModelEntry['rules']>;

const CHECKED = '2026-11-29';

/**
 * The gateway's own limit: every poll repeats all images in base64 and must end within the timeout of a call. Google takes 100 MB in a request
 * and has no limit for one image.
 */
const IMAGE_LIMITS: ImageLimits = {
  maxBytes: 4_000_000,
  source: { url: 'https://ai.google.dev/gemini-api/docs/file-input-methods', checked: CHECKED },
};

const PARAMETERS: Omit<Parameters, 'duration'> = {
  resolution: { kind: 'choice', allowed: ['360p', '720p', '1080p', '4k'], default: '720p' },
  aspectRatio: { kind: 'choice', allowed: ['16:9', '9:16'], default: '16:9' },
  image: { kind: 'image', limits: IMAGE_LIMITS },
  lastFrame: { kind: 'image', limits: IMAGE_LIMITS },
  // The guide has an example with six, and resellers offer six; the model card of the preview says ten.
  references: images(6, IMAGE_LIMITS),
  generateAudio: { kind: 'flag', allowed: [true], default: true },
};

/** "`<LAST_FRAME>` must be used with `<FIRST_FRAME>`." There is no example of both with references. */
const RULES: Rules = [
  { when: { parameter: 'lastFrame', given: true }, require: { parameter: 'image', given: true } },
  { when: { parameter: 'lastFrame', given: true }, require: { parameter: 'references', given: false } },
];

/** With a last frame, 1.2 makes no more than ten seconds, as its resellers say. */
const TEN_BETWEEN_FRAMES: Rules = [
  {
    when: { parameter: 'lastFrame', given: true },
    require: { parameter: 'duration', in: [3, 4, 5, 6, 7, 8, 9, 10] },
  },
];

/** Tokens of a second of video, with its sound. Usage in recorded answers shows them. */
const TOKENS = { '360p': 1931, '720p': 5792, '1080p': 8688, '4k': 17_376 } as const;

/**
 * The text of a prompt ($1.50 for a million tokens) and the model's thoughts and notes ($9) are charged besides the video. The longest prompt is
 * 12,000 bytes, which are no more than 12,000 tokens in any language: 1.8 cents. That leaves room for 220 tokens of thoughts and notes, of which no
 * limit is stated; the answer that the simulator repeats has 91. An image had up to 1,100 tokens.
 */
const BESIDES = { microsPerVideo: 20_000 } as const;

const price = (dollarsPerMillion: number, sources: SourceSpec[]): ModelEntry['price'] => ({
  currency: 'USD',
  rates: Object.entries(TOKENS).map(
    ([resolution, tokens]): RateSpec => ({
      resolution: resolution as keyof typeof TOKENS,
      microsPerSecond: Math.ceil(tokens * dollarsPerMillion),
      ...BESIDES,
    }),
  ),
  images: { free: 0, microsEach: 2000 },
  billing: `Per token: ${dollarsPerMillion} dollars for a million tokens of video, and up to two cents a video for the prompt and the model's thoughts.`,
  sources,
});

export const OMNI: readonly ModelEntry[] = [
  {
    ...SHARED,
    id: 'gemini-omni-1.2-flash',
    title: 'Gemini Omni 1.2 Flash',
    released: '2026-11-05',
    upstreamModel: 'gemini-omni-1.2-flash',
    services: {
      gemini: {
        source: { url: 'https://www.npmjs.com/package/@google/genai/v/3.3.0', checked: CHECKED },
      },
    },
    parameters: { ...PARAMETERS, duration: { kind: 'range', min: 3, max: 15, default: 10 } },
    rules: [...RULES, ...TEN_BETWEEN_FRAMES],
    price: price(12, [
      { url: 'https://inference.sh/apps/google/gemini-omni-1-2-flash.md', checked: CHECKED },
      {
        url: 'https://docs.laozhang.ai/en/api-capabilities/gemini-omni-video-generation',
        checked: CHECKED,
      },
    ]),
  },
  {
    ...SHARED,
    id: 'gemini-omni-1.1-flash',
    title: 'Gemini Omni 1.1 Flash',
    released: '2026-08-27',
    upstreamModel: 'gemini-omni-1.1-flash',
    services: {
      gemini: { source: { url: 'https://ai.google.dev/gemini-api/docs/omni', checked: CHECKED } },
    },
    parameters: { ...PARAMETERS, duration: { kind: 'range', min: 3, max: 10, default: 10 } },
    rules: RULES,
    price: price(17.5, [
      { url: 'https://runware.ai/docs/models/google-gemini-omni-flash.md', checked: CHECKED },
      { url: 'https://wavespeed.ai/blog/ai-models/gemini-omni-1-1-flash-api/', checked: CHECKED },
    ]),
  },
];
