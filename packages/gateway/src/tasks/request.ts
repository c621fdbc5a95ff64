/** A video request after checking: canonical names, one spelling, every default filled in. This is what a task stores. */
export interface VideoRequest {
  readonly model: string;
  readonly prompt: string;
  readonly negativePrompt?: string;
  /** Seconds; always explicit, since an upstream's own default may differ from ours. */
  readonly duration: number;
  readonly resolution: Resolution;
  readonly aspectRatio: AspectRatio;
  /** Pixels of the video asked for. */
  readonly width: number;
  readonly height: number;
  readonly image?: InputRef;
  readonly lastFrame?: InputRef;
  readonly referenceImages?: readonly InputRef[];
  readonly videoUrl?: string;
  /** The earlier task of ours that `videoUrl` names, as its upstream knows it. */
  readonly source?: SourceVideo;
  readonly generateAudio?: boolean;
  readonly seed?: number;
  readonly style?: string;
  readonly cameraFixed?: boolean;
  readonly watermark?: boolean;
  readonly promptExtend?: boolean;
  readonly personGeneration?: string;
  readonly metadata?: Readonly<Record<string, string>>;
  /** What the caller was told of how the request is carried out: roundings, redirections. */
  readonly notes?: readonly string[];
  /** Raw upstream parameters, passed through for this provider only. */
  readonly providerOptions?: Readonly<Record<string, unknown>>;
}

export const RESOLUTIONS = ['480p', '720p', '1080p', '4k'] as const;
export type Resolution = (typeof RESOLUTIONS)[number];

export const ASPECT_RATIOS = ['16:9', '9:16', '1:1', '4:3', '3:4', '21:9'] as const;
export type AspectRatio = (typeof ASPECT_RATIOS)[number];

/** A video made by an earlier task: what a remix or an extension starts from. */
export interface SourceVideo {
  readonly taskId: string;
  /** The only account whose upstream knows the video. */
  readonly accountId: string;
  readonly upstreamId: string;
  /** As the adapter stored it with the attempt. */
  readonly ref: string;
}

/** An input image kept in media storage: no blob ever sits in a task row. */
export interface InputRef {
  /** Id of the row in `media`. */
  readonly mediaId: string;
  readonly contentType: string;
  readonly bytes: number;
  readonly width: number;
  readonly height: number;
  /** Where the caller said it was, when it came as a URL. */
  readonly sourceUrl?: string;
}
