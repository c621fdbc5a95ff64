/** A checked video request as stored with the task: canonical names, and all defaults filled in. */
export interface VideoRequest {
  readonly model: string;
  readonly prompt: string;
  readonly negativePrompt?: string;
  /** Seconds. Always explicit, because the upstream's default may differ from ours. With `autoDuration`, the longest there can be. */
  readonly duration: number;
  /** The upstream decides how long the video becomes. */
  readonly autoDuration?: true;
  readonly resolution: Resolution;
  readonly aspectRatio: AspectRatio;
  /** Requested size in pixels. */
  readonly width: number;
  readonly height: number;
  readonly image?: InputRef;
  readonly lastFrame?: InputRef;
  /** In the caller's order, by which prompts name them: "Image 1". */
  readonly references?: readonly Reference[];
  readonly videoUrl?: string;
  /** The earlier task that `videoUrl` refers to, with its upstream identity. */
  readonly source?: SourceVideo;
  /** The earlier task that this is a remix of, as far as OpenAI's API was told. */
  readonly remixOf?: string;
  readonly generateAudio?: boolean;
  readonly seed?: number;
  readonly style?: string;
  readonly cameraFixed?: boolean;
  readonly watermark?: boolean;
  readonly promptExtend?: boolean;
  readonly personGeneration?: string;
  readonly metadata?: Readonly<Record<string, string>>;
  /** Whose API the task was made through, if not our own. Its webhooks are in that API's words. */
  readonly api?: 'openai';
  /** Where the end of the task is announced. No answer has it. */
  readonly webhookUrl?: string;
  /** What the caller was told about how the request is carried out, such as roundings and redirections. */
  readonly notes?: readonly string[];
  /** Raw upstream parameters for the provider of the model. */
  readonly providerOptions?: Readonly<Record<string, unknown>>;
}

export const RESOLUTIONS = ['360p', '480p', '720p', '1080p', '4k'] as const;
export type Resolution = (typeof RESOLUTIONS)[number];

export const ASPECT_RATIOS = ['16:9', '9:16', '1:1', '4:3', '3:4', '21:9'] as const;
export type AspectRatio = (typeof ASPECT_RATIOS)[number];

/** A video made by an earlier task, as the source of a remix or an extension. */
export interface SourceVideo {
  readonly taskId: string;
  /** The account that made the video. No other can use it. */
  readonly accountId: string;
  readonly upstreamId: string;
  /** The adapter's reference, as stored with the attempt. */
  readonly ref: string;
  /** `UpstreamResult.id`. */
  readonly resultId?: string;
}

/** The bytes of an input in media storage. Task rows never contain blobs. */
export interface StoredInput {
  /** Id of the row in `media`. */
  readonly mediaId: string;
  readonly contentType: string;
  readonly bytes: number;
  /** The URL that the caller gave, if there was one. */
  readonly sourceUrl?: string;
}

/** An input image. */
export interface InputRef extends StoredInput {
  readonly width: number;
  readonly height: number;
}

/** An input video. */
export interface VideoRef extends InputRef {
  /** Seconds, measured. */
  readonly duration: number;
  readonly fps: number;
}

/** Input sound. */
export interface AudioRef extends StoredInput {
  /** Seconds, measured. */
  readonly duration: number;
}

export const REFERENCE_TYPES = ['image', 'video', 'audio'] as const;
export type ReferenceType = (typeof REFERENCE_TYPES)[number];

/** Material for a video beside its frames. */
export type Reference = {
  /** What it is for, such as `source`: the video to edit. Without one, it is a reference for subjects, style, motion or voice. */
  readonly role?: string;
} & (
  | { readonly type: 'image'; readonly input: InputRef }
  | { readonly type: 'video'; readonly input: VideoRef }
  | { readonly type: 'audio'; readonly input: AudioRef }
);

/** The reference images of a request that have no role, which many upstreams take and nothing else. */
export const plainImages = ({ references = [] }: Pick<VideoRequest, 'references'>): readonly InputRef[] =>
  references.flatMap((reference) =>
    reference.type === 'image' && reference.role === undefined ? [reference.input] : [],
  );

/** A request as it is stored. Earlier versions stored reference images by themselves. */
type StoredRequest = VideoRequest & { readonly referenceImages?: readonly InputRef[] };

/** The request of a stored task, whichever version stored it. */
export function readStored(stored: StoredRequest): VideoRequest {
  if (!stored.referenceImages) return stored;
  const { referenceImages, ...request } = stored;
  return { ...request, references: referenceImages.map((input) => ({ type: 'image', input })) };
}
