import type { ModelEntry } from '../model.ts';

const MODEL_PAGE = { url: 'https://developers.openai.com/api/docs/models/sora-2', checked: '2026-11-29' };
const GUIDE = 'https://developers.openai.com/api/docs/guides/video-generation';
const SUCCESSORS = ['wan3.0-video', 'seedance-2.0', 'veo-3.1-generate-001'];

/**
 * Sources: OpenAI's openapi.yaml (`CreateVideoJsonBody`) for fields and limits, the guide "Video generation with Sora" for
 * 16 and 20 seconds and 1080p, OpenAI's pricing page for prices. The documented values of the reference service (5, 10,
 * 15, 20 s; 480p; 1:1) are accepted and rounded to the nearest value that the upstream supports, and up if two are equally near.
 */
const SORA_2 = {
  family: 'sora',
  provider: 'openai',
  released: '2025-10-06',
  delivery: 'download',
  promptMaxLength: 32_000,
  typical: { medianSeconds: 150, p90Seconds: 360 },
  // openapi.yaml: DELETE is only for completed and failed videos.
  cancel: 'none',
  services: {
    openai: {
      end: {
        date: '2026-09-24',
        reason: 'OpenAI shut down its Videos API; other servers still speak the protocol.',
        successors: SUCCESSORS,
      },
      source: MODEL_PAGE,
    },
    azure: {
      end: { date: '2026-09-15', reason: 'Microsoft retired Sora 2.', successors: SUCCESSORS },
      source: {
        url: 'https://learn.microsoft.com/azure/ai-foundry/openai/concepts/model-retirements',
        checked: '2026-11-24',
      },
    },
  },
  rules: [{ when: { parameter: 'videoUrl', given: true }, require: { parameter: 'image', given: false } }],
  notes: [
    'Videos always have audio.',
    '`video_url` makes a remix; `provider_options: {"openai": {"operation": "edit"}}` makes an edit and `"extend"` an extension.',
  ],
} satisfies Partial<ModelEntry>;

const PARAMETERS = {
  duration: {
    kind: 'numbers',
    allowed: [4, 5, 8, 10, 12, 15, 16, 20],
    default: 5,
    roundsTo: { 5: 4, 10: 12, 15: 16 },
  },
  resolution: { kind: 'choice', allowed: ['480p', '720p'], default: '720p', roundsTo: { '480p': '720p' } },
  aspectRatio: {
    kind: 'choice',
    allowed: ['16:9', '9:16', '1:1'],
    default: '16:9',
    roundsTo: { '1:1': '16:9' },
  },
  image: {
    kind: 'image',
    // "The image must match the target video's resolution." Otherwise: 400, "Inpaint image must match the requested width and height".
    limits: { size: 'video', source: { url: GUIDE, checked: '2026-11-29' } },
  },
  // …RemixBody and …EditBody only accept a prompt; …ExtendBody also accepts the seconds to add.
  videoUrl: {
    kind: 'url',
    of: 'own',
    keeps: ['model', 'shape', 'duration'],
    extendsWith: { option: 'operation', value: 'extend' },
  },
  generateAudio: { kind: 'flag', allowed: [true], default: true },
} satisfies ModelEntry['parameters'];

const SOURCES = [MODEL_PAGE];
const BILLING = 'Per second of finished video; failed videos are not charged.';

export const SORA: readonly ModelEntry[] = [
  {
    ...SORA_2,
    id: 'sora-2',
    aliases: ['sora-2-2025-10-06', 'sora-2-2025-12-08'],
    title: 'Sora 2',
    upstreamModel: 'sora-2',
    parameters: PARAMETERS,
    price: { currency: 'USD', rates: [{ microsPerSecond: 100_000 }], billing: BILLING, sources: SOURCES },
  },
  {
    ...SORA_2,
    id: 'sora-2-pro',
    aliases: ['sora-2-pro-2025-10-06'],
    title: 'Sora 2 Pro',
    upstreamModel: 'sora-2-pro',
    parameters: {
      ...PARAMETERS,
      resolution: { ...PARAMETERS.resolution, allowed: ['480p', '720p', '1080p'] },
    },
    // The "1024p" sizes are not a resolution of our API; they are available through `size`.
    sizes: {
      '1080p': { '16:9': ['1920x1080', '1792x1024'], '9:16': ['1080x1920', '1024x1792'] },
    },
    price: {
      currency: 'USD',
      rates: [
        { size: '1792x1024', microsPerSecond: 500_000 },
        { size: '1024x1792', microsPerSecond: 500_000 },
        { resolution: '1080p', microsPerSecond: 700_000 },
        { resolution: '720p', microsPerSecond: 300_000 },
      ],
      billing: BILLING,
      sources: SOURCES,
    },
    typical: { medianSeconds: 300, p90Seconds: 720 },
  },
];
