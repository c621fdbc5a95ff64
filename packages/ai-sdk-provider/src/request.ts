import {
  type Experimental_VideoModelV4CallOptions as CallOptions,
  type Experimental_VideoModelV4File as File,
  InvalidArgumentError,
  type SharedV4Warning as Warning,
} from '@ai-sdk/provider';
import type { SubmitParams } from '@onetake/client';

/** What a call of the AI SDK is to the gateway. */
export interface Request {
  readonly params: SubmitParams;
  /** What does not reach the model. */
  readonly warnings: Warning[];
}

type StartOptions = CallOptions & { readonly webhookUrl?: string };
type Reference = NonNullable<SubmitParams['references']>[number];

/** The key of our options in `providerOptions`, and of our part of `providerMetadata`. */
export const OPTIONS_KEY = 'onetake';

const TYPES = ['image', 'video', 'audio'] as const;
const VIDEO_NAME = /\.(?:mp4|m4v|mov|webm)$/i;
const AUDIO_NAME = /\.(?:mp3|wav|m4a|aac|ogg|flac)$/i;

/** The gateway checks all parameters against its catalogue, so nothing is checked here. */
export function requestOf(modelId: string, options: StartOptions): Request {
  const warnings: Warning[] = [];
  const { n, aspectRatio, fps } = options;
  if (n > 1) warnings.push(unsupported('n', 'One call makes one video.'));
  if (fps !== undefined) warnings.push(unsupported('fps', 'The model decides.'));
  if (aspectRatio === 'adaptive')
    warnings.push(unsupported('aspectRatio "adaptive"', "It is left out, so the model's default holds."));

  const standard = {
    prompt: options.prompt,
    size: options.resolution,
    aspect_ratio: aspectRatio === 'adaptive' ? undefined : aspectRatio,
    duration: options.duration,
    seed: options.seed,
    generate_audio: options.generateAudio,
    ...framesOf(options, warnings),
    references: referencesOf(options, warnings),
    webhook_url: options.webhookUrl,
  };
  const given = Object.fromEntries(Object.entries(standard).filter(([, value]) => value !== undefined));
  const own = options.providerOptions[OPTIONS_KEY] ?? {};
  if (own.model !== undefined && own.model !== modelId)
    throw new InvalidArgumentError({
      argument: `providerOptions.${OPTIONS_KEY}.model`,
      message: `providerOptions.${OPTIONS_KEY}.model is not ${modelId}, the model of the call; name it there: onetake.video(…).`,
    });
  for (const name of Object.keys(own).filter((key) => key in given))
    warnings.push({
      type: 'other',
      message: `providerOptions.${OPTIONS_KEY}.${name} replaces what was given beside it.`,
    });
  return { params: { ...given, ...own, model: modelId } as SubmitParams, warnings };
}

const unsupported = (feature: string, details: string): Warning => ({
  type: 'unsupported',
  feature,
  details,
});

/** The AI SDK names the first frame twice, as `image` and among the frames. */
function framesOf({ image, frameImages = [] }: CallOptions, warnings: Warning[]) {
  const frames = (type: string) => frameImages.filter(({ frameType }) => frameType === type);
  const [first, last] = [frames('first_frame'), frames('last_frame')];
  if (first.length > 1 || last.length > 1)
    warnings.push(unsupported('frameImages', 'Of several frames of one type, the first one is taken.'));
  const firstFrame = first[0]?.image ?? image;
  return {
    image: firstFrame && contentOf(firstFrame),
    last_frame: last[0] && contentOf(last[0].image),
  };
}

function referencesOf({ inputReferences }: CallOptions, warnings: Warning[]): Reference[] | undefined {
  return inputReferences?.map((file) => {
    const type = TYPES.find((one) => file.mediaType?.startsWith(`${one}/`)) ?? guessed(file, warnings);
    const content = file.type === 'url' ? { url: file.url } : { data: contentOf(file) };
    return { type, ...content, ...file.providerOptions?.[OPTIONS_KEY] };
  });
}

function guessed(file: File, warnings: Warning[]): Reference['type'] {
  const name = file.type === 'url' ? file.url.replace(/[?#].*$/, '') : '';
  const type = VIDEO_NAME.test(name) ? 'video' : AUDIO_NAME.test(name) ? 'audio' : 'image';
  warnings.push({
    type: 'compatibility',
    feature: 'inputReferences',
    details: `A reference without a mediaType is taken for ${type === 'video' ? 'a video' : `an ${type}`}.`,
  });
  return type;
}

/** A URL, or a data URL. */
function contentOf(file: File): string {
  if (file.type === 'url') return file.url;
  return `data:${file.mediaType};base64,${typeof file.data === 'string' ? file.data : base64Of(file.data)}`;
}

/** In pieces, because every byte is an argument. */
const PIECE = 0x8000;

function base64Of(bytes: Uint8Array): string {
  let text = '';
  for (let start = 0; start < bytes.length; start += PIECE)
    text += String.fromCharCode(...bytes.subarray(start, start + PIECE));
  return btoa(text);
}
