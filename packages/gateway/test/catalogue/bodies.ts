import type { Model, ReferenceKindSpec, ReferencesSpec } from '../../src/catalogue/model.ts';
import { kindOf } from '../../src/catalogue/references.ts';
import type { VideoRequest } from '../../src/tasks/request.ts';
import { asStored, check } from './builtIn.ts';

const IMAGE = 'https://example.com/a.png';
const VIDEO = 'https://example.com/a.mp4';

/** Requests that together use every parameter that a model takes, as tasks store them. */
export const requestsOf = (model: Model): VideoRequest[] =>
  bodies(model).flatMap((body) => storedOf(body) ?? []);

function bodies({ id, parameters: takes }: Model): Record<string, unknown>[] {
  const inputs = [
    {},
    ...(takes.image ? [{ image: IMAGE }] : []),
    ...(takes.lastFrame ? [{ image: IMAGE, last_frame: IMAGE }] : []),
    ...(takes.references?.takes ?? []).map((kind) => ({ references: referencesOf(takes.references, kind) })),
    ...(kindOf(takes.references, { type: 'image' }) ? [{ reference_images: [IMAGE] }] : []),
    ...(takes.videoUrl ? [{ video_url: VIDEO }] : []),
    ...(takes.videoUrl && takes.references ? [{ video_url: VIDEO, reference_images: [IMAGE] }] : []),
  ];
  const rest = {
    ...(takes.seed ? { seed: takes.seed.min } : {}),
    ...(takes.negativePrompt ? { negative_prompt: 'rain' } : {}),
    ...(takes.watermark ? { watermark: true } : {}),
    ...(takes.cameraFixed ? { camera_fixed: true } : {}),
    ...(takes.promptExtend ? { prompt_extend: true } : {}),
  };
  const { duration } = takes;
  const seconds = 'allowed' in duration ? duration.allowed : [duration.min, duration.max];
  const shapes = [
    ...takes.resolution.allowed.map((resolution) => ({ resolution })),
    ...takes.aspectRatio.allowed.map((aspect_ratio) => ({ aspect_ratio })),
    ...seconds.map((one) => ({ duration: one })),
    ...(takes.generateAudio?.allowed ?? []).map((generate_audio) => ({ generate_audio })),
  ];
  return inputs.flatMap((input) => shapes.map((shape) => ({ model: id, ...rest, ...shape, ...input })));
}

const URLS = { image: IMAGE, video: VIDEO, audio: 'https://example.com/a.mp3' };

/** Two references of a kind, as far as the model takes two, with what it needs beside them. */
function referencesOf(spec: ReferencesSpec | undefined, kind: ReferenceKindSpec): object[] {
  const [beside] = kind.with ?? [];
  const other = spec?.takes.find(({ type }) => type === beside);
  return [
    ...(other
      ? [{ type: other.type, url: URLS[other.type], ...(other.role ? { role: other.role } : {}) }]
      : []),
    ...Array.from({ length: Math.min(2, kind.max) }, () => ({
      type: kind.type,
      url: URLS[kind.type],
      ...(kind.role ? { role: kind.role } : {}),
    })),
  ];
}

function storedOf(body: Record<string, unknown>): VideoRequest | undefined {
  try {
    return asStored(check(body).draft);
  } catch {
    // The catalogue refuses two parameters that exclude each other, so they are never sent.
    return undefined;
  }
}
