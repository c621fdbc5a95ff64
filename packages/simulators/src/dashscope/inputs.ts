import type { Generation, Mode, WanModel } from './models.ts';

type Fields = Readonly<Record<string, unknown>>;

/** An error with DashScope's message about a request. */
export class InvalidRequest extends Error {}

interface Media {
  /** How many items a request must have. */
  readonly least?: number;
  /** How many items of each type a request may have. */
  readonly most: Readonly<Record<string, number>>;
  /** One of these types is required. */
  readonly needs?: readonly string[];
  /** How many items of `counted` types a request may have together. */
  readonly together?: number;
  readonly counted?: readonly string[];
  /** Types that exclude each other. */
  readonly either?: readonly (readonly [string, string])[];
}

/** `input.media` of each API reference. */
const MEDIA: Readonly<Partial<Record<Generation, Readonly<Partial<Record<Mode, Media>>>>>> = {
  'wan2.7': {
    i2v: {
      // "Material combinations": first frame, with last frame, with audio or both; first clip, with last frame.
      most: { first_frame: 1, last_frame: 1, driving_audio: 1, first_clip: 1 },
      needs: ['first_frame', 'first_clip'],
      either: [
        ['first_frame', 'first_clip'],
        ['driving_audio', 'first_clip'],
      ],
    },
    r2v: {
      most: { first_frame: 1, reference_image: 5, reference_video: 5 },
      needs: ['reference_image', 'reference_video'],
      // "Reference images and videos: five at most together", without the first frame.
      together: 5,
      counted: ['reference_image', 'reference_video'],
    },
    edit: { most: { video: 1, reference_image: 4 }, needs: ['video'] },
  },
  wan3: {
    all: {
      most: {
        first_frame: 1,
        last_frame: 1,
        reference_image: 10,
        reference_video: 5,
        reference_audio: 5,
        file: 1,
        link: 1,
      },
      either: [['file', 'link']],
    },
  },
  happyhorse: {
    i2v: { most: { first_frame: 1 }, needs: ['first_frame'] },
    r2v: { most: { reference_image: 9 }, needs: ['reference_image'] },
    edit: { most: { video: 1, reference_image: 5 }, needs: ['video'] },
  },
  kling: {
    all: { most: { first_frame: 1, last_frame: 1 } },
    // "kling-v3-omni-video-generation": `refer` images, and one video as `feature` or, to be edited, as `base`.
    omni: {
      most: { first_frame: 1, last_frame: 1, refer: 7, feature: 1, base: 1 },
      either: [
        ['feature', 'base'],
        ['first_frame', 'base'],
      ],
    },
  },
  vidu: {
    i2v: { most: { image: 1 }, needs: ['image'] },
    // "The first image is the first frame, the second the last one."
    kf2v: { most: { image: 2 }, needs: ['image'], least: 2 },
    r2v: { most: { image: 7 }, needs: ['image'] },
    omni: { most: { image: 7, video: 2 }, needs: ['image'] },
  },
};

const FRAMES: ReadonlySet<string> = new Set(['first_frame', 'last_frame']);

/** Checks the prompt and the media of a request as the API reference of its model documents them. Throws `InvalidRequest`. */
export function checkInputs(model: WanModel, input: Fields): void {
  const { generation, mode } = model;
  if (typeof input.prompt === 'string' ? input.prompt === '' : needsPrompt(model, input)) {
    fail('Field required: input.prompt');
  }
  if (generation === 'legacy') checkLegacyInputs(mode, input);
  const media = MEDIA[generation]?.[mode];
  if (!media || (input.media === undefined && !media.needs)) return;
  // "Kling video generation" and "Vidu image-to-video": images by http(s) only.
  const counts = mediaCounts(input.media, media.most, generation !== 'kling' && generation !== 'vidu');
  if (media.needs && !media.needs.some((type) => counts.has(type))) {
    fail(`Field required: input.media ${media.needs.join(' or ')}`);
  }
  const given = [...counts.values()].reduce((sum, count) => sum + count, 0);
  if (given < (media.least ?? 0)) fail(`Too few media, exactly ${media.least}`);
  // "Vidu reference video": one to seven images, or one to four beside one or two videos.
  if (generation === 'vidu' && counts.has('video') && (counts.get('image') ?? 0) > 4) {
    fail('Too many media of type image, at most 4 with a video');
  }
  const both = media.either?.find((types) => types.every((type) => counts.has(type)));
  if (both) fail(`${both.join(' and ')} cannot be used together`);
  const counted = (media.counted ?? []).reduce((sum, type) => sum + (counts.get(type) ?? 0), 0);
  if (counted > (media.together ?? counted)) fail(`Too many media, at most ${media.together}`);
  const frames = counts.has('first_frame') || counts.has('last_frame');
  if (generation === 'wan3' && frames && [...counts.keys()].some((type) => !FRAMES.has(type))) {
    fail('first_frame and last_frame cannot be used together with reference media, file or link');
  }
  const alone = mode === 'all' || mode === 'omni';
  if (alone && counts.has('last_frame') && !counts.has('first_frame')) {
    fail('last_frame requires first_frame');
  }
}

function checkLegacyInputs(mode: Mode, input: Fields): void {
  if (mode === 'i2v') imageAt(input, 'img_url', 'required');
  if (mode === 'kf2v') {
    imageAt(input, 'first_frame_url', 'required');
    imageAt(input, 'last_frame_url', input.template === undefined ? 'required' : 'optional');
  }
  if (mode === 'r2v') referenceUrls(input.reference_urls);
}

function needsPrompt({ generation, mode }: WanModel, input: Fields): boolean {
  if (generation === 'wan3') return input.media === undefined;
  return (
    generation === 'kling' ||
    mode === 't2v' ||
    mode === 'r2v' ||
    // "Vidu image-to-video": optional with a first frame alone.
    (generation === 'vidu' && mode !== 'i2v') ||
    (generation === 'happyhorse' && mode === 'edit')
  );
}

function mediaCounts(
  media: unknown,
  allowed: Readonly<Record<string, number>>,
  base64: boolean,
): Map<string, number> {
  if (!Array.isArray(media) || media.length === 0) fail('Field required: input.media');
  const counts = new Map<string, number>();
  for (const item of media as readonly unknown[]) {
    const { type, url } = (typeof item === 'object' && item !== null ? item : {}) as Fields;
    const most = typeof type === 'string' ? allowed[type] : undefined;
    if (typeof type !== 'string' || most === undefined) fail(`Unsupported media type: ${String(type)}`);
    const count = (counts.get(type) ?? 0) + 1;
    if (count > most) fail(`Too many media of type ${type}, at most ${most}`);
    counts.set(type, count);
    checkUrl(url, 'input.media.url', base64 && (type.endsWith('image') || type.endsWith('frame')));
  }
  return counts;
}

function imageAt(input: Fields, name: string, need: 'required' | 'optional'): void {
  if (input[name] === undefined) {
    if (need === 'required') fail(`Field required: input.${name}`);
    return;
  }
  checkUrl(input[name], `input.${name}`, true);
}

/** "Wan reference-to-video (2.6)": only public URLs, five at most, of which three may be videos. The simulator tells them by their names. */
function referenceUrls(urls: unknown): void {
  if (!Array.isArray(urls) || urls.length === 0) fail('Field required: input.reference_urls');
  if (urls.length > 5) fail('input.reference_urls: at most 5');
  for (const url of urls as readonly unknown[]) checkUrl(url, 'input.reference_urls', false);
  if (videosIn(urls) > 3) fail('input.reference_urls: at most 3 videos');
}

const videosIn = (urls: readonly unknown[]): number => urls.filter(isVideoUrl).length;
const isVideoUrl = (url: unknown): boolean => /\.(mp4|mov)(\?|$)/i.test(String(url));

/** Reference and source videos in a request. */
export function videosOf({ media, reference_urls: urls }: Fields): number {
  if (Array.isArray(urls)) return videosIn(urls);
  if (!Array.isArray(media)) return 0;
  const types = ['video', 'reference_video', 'first_clip', 'feature', 'base'];
  return media.filter((item) => types.includes(String((item as Fields | null)?.type))).length;
}

function checkUrl(url: unknown, name: string, base64: boolean): void {
  if (typeof url !== 'string') fail(`${name} must be a string`);
  if (/^(?:https?|oss):\/\//.test(url)) return;
  const data = /^data:image\/[a-z+]+;base64,([A-Za-z0-9+/]+=*)$/.exec(url);
  if (!base64 || !data) fail(`The provided URL does not appear to be valid: ${name}`);
}

export function fail(message: string): never {
  throw new InvalidRequest(message);
}
