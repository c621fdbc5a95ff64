import { choiceOf, type Fields, numberOf, textOf } from './body.ts';
import { refusals } from './errors.ts';
import { imagesOf } from './images.ts';
import {
  DURATIONS,
  EXTENSION,
  EXTENSION_DURATION,
  FULL_DURATION,
  MOST_SAMPLES,
  type Resolution,
  type Service,
  type VeoModel,
} from './models.ts';

/** A checked request. */
export interface VeoRequest {
  readonly prompt: string;
  /** Seconds of the whole video. A bill counts only the seconds that this request adds. */
  readonly seconds: number;
  readonly billedSeconds: number;
  readonly resolution: Resolution;
  readonly portrait: boolean;
  readonly samples: number;
  readonly audio: boolean;
  readonly seed: number | undefined;
  readonly storageUri: string | undefined;
}

/** "Only supported in Gemini Enterprise Agent Platform mode" (the converters of `@google/genai` 2.x). */
const NOT_ON_GEMINI = [
  'generateAudio',
  'storageUri',
  'fps',
  'compressionQuality',
  'resizeMode',
  'pubsubTopic',
] as const;

const ASPECT_RATIOS = ['16:9', '9:16'] as const;
const LARGEST_SEED = 2 ** 32 - 1;

type Feature = 'text_to_video' | 'image_to_video' | 'reference_to_video' | 'video_extension';

/**
 * Checks a request against the documentation ("Veo API parameters and specifications" of the Gemini API, "Veo on Vertex AI video
 * generation API"). `source` are the seconds of the video to extend. Members that neither service knows are ignored, as the
 * services do.
 */
export function parseRequest(
  service: Service,
  model: VeoModel,
  { instance, parameters }: { readonly instance: Fields; readonly parameters: Fields },
  source: number | undefined,
): VeoRequest {
  const feature = featureOf(service, model, instance, source);
  if (service === 'gemini') refuseForeign(parameters);
  const resolution = choiceOf(parameters, 'resolution', model.resolutions, '720p');
  if (feature === 'video_extension' && resolution !== '720p') {
    throw refusals.invalid('Video extension supports 720p only.');
  }
  checkPersons(service, feature, parameters);
  textOf(parameters, 'negativePrompt');
  const asked = durationOf(service, feature, resolution, parameters);
  const samples = numberOf(parameters, 'sampleCount') ?? 1;
  if (samples < 1 || samples > MOST_SAMPLES[service]) {
    throw refusals.invalid(
      `The number value for \`sampleCount\` is out of bound. Please provide a value between 1 and ${MOST_SAMPLES[service]}, inclusive.`,
    );
  }
  const seed = numberOf(parameters, 'seed');
  if (seed !== undefined && (seed < 0 || seed > LARGEST_SEED))
    throw refusals.invalid('`seed` is out of bound.');
  const billedSeconds = source === undefined ? asked : EXTENSION.seconds;
  return {
    prompt: promptOf(service, feature, instance),
    seconds: (source ?? 0) + billedSeconds,
    billedSeconds,
    resolution,
    portrait: choiceOf(parameters, 'aspectRatio', ASPECT_RATIOS, '16:9') === '9:16',
    samples,
    audio: service === 'gemini' || parameters.generateAudio === true,
    seed,
    storageUri: storageOf(parameters),
  };
}

function featureOf(service: Service, model: VeoModel, instance: Fields, source: number | undefined): Feature {
  const { first, last, references } = imagesOf(service, instance);
  if (last && !first) throw refusals.invalid('`lastFrame` must be used together with `image`.');
  if (references > 0) {
    if (!model.references) throw refusals.invalid('`referenceImages` is not supported by this model.');
    if (first || last)
      throw refusals.invalid('`referenceImages` cannot be used with `image` or `lastFrame`.');
  }
  if (source !== undefined) {
    if (!model.extension) throw refusals.invalid('Video extension is not supported by this model.');
    if (first || references > 0) throw refusals.invalid('`video` cannot be used with images.');
    if (source > EXTENSION.longestInput) {
      throw refusals.invalid(`The video to extend is longer than ${EXTENSION.longestInput} seconds.`);
    }
    return 'video_extension';
  }
  if (references > 0) return 'reference_to_video';
  return first ? 'image_to_video' : 'text_to_video';
}

function refuseForeign(parameters: Fields): void {
  for (const name of NOT_ON_GEMINI) {
    if (parameters[name] === undefined) continue;
    throw refusals.invalid(
      `\`${name}\` isn't supported by this model. Please remove it or refer to the Gemini API documentation for supported usage.`,
    );
  }
}

/** Gemini API: text-to-video and extension "allow_all" (in the EU "allow_adult"), with images only "allow_adult". */
function checkPersons(service: Service, feature: Feature, parameters: Fields): void {
  const value = textOf(parameters, 'personGeneration');
  if (value === undefined) return;
  const fromText = feature === 'text_to_video' || feature === 'video_extension';
  const allowed =
    service === 'vertex'
      ? ['allow_adult', 'dont_allow', 'disallow', 'allow_all']
      : fromText
        ? ['allow_all', 'allow_adult']
        : ['allow_adult'];
  if (!allowed.includes(value)) {
    throw refusals.invalid(`${value} for personGeneration is currently not supported.`);
  }
}

function durationOf(service: Service, feature: Feature, resolution: Resolution, parameters: Fields): number {
  const full = feature === 'reference_to_video' || resolution !== '720p';
  const supported =
    feature === 'video_extension' ? [EXTENSION_DURATION[service]] : full ? [FULL_DURATION] : DURATIONS;
  const asked = numberOf(parameters, 'durationSeconds') ?? supported.at(-1) ?? FULL_DURATION;
  if (supported.includes(asked)) return asked;
  throw refusals.invalid(
    `Unsupported output video duration ${asked} seconds, supported durations are [${supported.join(',')}] for feature ${feature}.`,
  );
}

/** On Vertex AI an image needs no prompt. */
function promptOf(service: Service, feature: Feature, instance: Fields): string {
  const prompt = textOf(instance, 'prompt') ?? '';
  if (prompt === '' && !(service === 'vertex' && feature === 'image_to_video')) {
    throw refusals.invalid('`prompt` must not be empty.');
  }
  return prompt;
}

function storageOf(parameters: Fields): string | undefined {
  const uri = textOf(parameters, 'storageUri');
  if (uri === undefined) return undefined;
  if (!/^gs:\/\/[a-z0-9][a-z0-9._-]{1,221}(\/.*)?$/.test(uri)) {
    throw refusals.invalid('`storageUri` must start with gs:// and name a bucket.');
  }
  return uri.endsWith('/') ? uri : `${uri}/`;
}
