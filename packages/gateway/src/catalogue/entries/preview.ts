import { ASPECT_RATIOS } from '../../tasks/request.ts';
import type { ModelEntry } from '../model.ts';

export const PREVIEW: readonly ModelEntry[] = [
  {
    id: 'onetake-preview',
    title: 'Onetake Preview',
    family: 'preview',
    provider: 'preview',
    released: '2026-11-24',
    upstreamModel: 'onetake-preview',
    services: {},
    delivery: 'url',
    promptMaxLength: 4000,
    parameters: {
      duration: { kind: 'range', min: 1, max: 20, default: 4 },
      resolution: { kind: 'choice', allowed: ['480p', '720p', '1080p'], default: '720p' },
      aspectRatio: { kind: 'choice', allowed: [...ASPECT_RATIOS], default: '16:9' },
      image: { kind: 'image' },
      lastFrame: { kind: 'image' },
      generateAudio: { kind: 'flag', allowed: [true, false], default: false },
      seed: { kind: 'range', min: 0, max: 4_294_967_295 },
      style: { kind: 'text', maxLength: 200 },
      cameraFixed: { kind: 'flag', allowed: [true, false], default: false },
    },
    price: {
      currency: 'USD',
      rates: [{ microsPerSecond: 0 }],
      billing: 'Free: rendered on this machine.',
      sources: [],
    },
    typical: { medianSeconds: 2, p90Seconds: 5 },
    cancel: 'running',
    notes: [
      'A renderer that draws pictures for the words of the prompt. It is not an AI model and needs no key.',
    ],
  },
];
