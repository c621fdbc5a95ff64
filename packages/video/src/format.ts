export type Container = 'mp4' | 'mov' | 'webm' | 'mpegts' | 'avi';
export type VideoCodec = 'h264' | 'vp8' | 'vp9';
export type AudioCodec = 'aac' | 'opus';

/** The content and form of a video file. It has at least one track. */
export interface VideoFormat {
  readonly container: Container;
  readonly picture?: PictureTrack;
  readonly sound?: SoundTrack;
  /** The place of the index in MP4 and MOV. In front by default, so that a player can start before it has the whole file. */
  readonly index?: 'front' | 'end';
  /** What the file says about itself, as the tag `comment` of its container. */
  readonly comment?: string;
}

export interface PictureTrack {
  readonly codec: VideoCodec;
  /** Pixels, both even. */
  readonly width: number;
  readonly height: number;
  /** Frames per second. */
  readonly fps: number;
  /** Frames from one key frame to the next. */
  readonly keyFrameInterval: number;
  /**
   * The pixel format of the frames. `rgba`: four bytes a pixel, opaque. `yuv420p`: the planes Y, U and V one after another, BT.709 in
   * studio range.
   */
  readonly pixels: 'rgba' | 'yuv420p';
  /** FFmpeg decides by default. x264 gives the same bytes only for the same number of threads. */
  readonly threads?: number;
  /** FFmpeg's options for the encoder, such as `preset` and `crf`. */
  readonly options?: Readonly<Record<string, string>>;
}

/** A whole sound track. */
export interface SoundTrack {
  readonly codec: AudioCodec;
  /** Hertz. */
  readonly sampleRate: number;
  /** The samples of one or two channels of equal length, -1 to 1. */
  readonly channels: readonly Float32Array[];
  /** FFmpeg decides by default. */
  readonly bitsPerSecond?: number;
}
