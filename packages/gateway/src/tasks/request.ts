/** A checked video request as stored with the task: canonical names, and all defaults filled in. */
export interface VideoRequest {
  readonly model: string;
  readonly prompt: string;
  readonly negativePrompt?: string;
  /** Seconds. Always explicit, because the upstream's default may differ from ours. */
  readonly duration: number;
  readonly resolution: Resolution;
  readonly aspectRatio: AspectRatio;
  /** Requested size in pixels. */
  readonly width: number;
  readonly height: number;
  readonly image?: InputRef;
  readonly lastFrame?: InputRef;
  readonly referenceImages?: readonly InputRef[];
  readonly videoUrl?: string;
  /** The earlier task that `videoUrl` refers to, with its upstream identity. */
  readonly source?: SourceVideo;
  readonly generateAudio?: boolean;
  readonly seed?: number;
  readonly style?: string;
  readonly cameraFixed?: boolean;
  readonly watermark?: boolean;
  readonly promptExtend?: boolean;
  readonly personGeneration?: string;
  readonly metadata?: Readonly<Record<string, string>>;
  /** What the caller was told about how the request is carried out, such as roundings and redirections. */
  readonly notes?: readonly string[];
  /** Raw upstream parameters for the provider of the model. */
  readonly providerOptions?: Readonly<Record<string, unknown>>;
}

export const RESOLUTIONS = ['480p', '720p', '1080p', '4k'] as const;
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
}

/** An input image in media storage. Task rows never contain blobs. */
export interface InputRef {
  /** Id of the row in `media`. */
  readonly mediaId: string;
  readonly contentType: string;
  readonly bytes: number;
  readonly width: number;
  readonly height: number;
  /** The URL that the caller gave, if there was one. */
  readonly sourceUrl?: string;
}
