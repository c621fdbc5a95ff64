export type Container = 'mp4' | 'mov' | 'webm' | 'mpegts' | 'avi';
export type VideoCodec = 'h264' | 'vp8' | 'vp9';
export type AudioCodec = 'aac' | 'opus';

/** What a video file is made of. At least one of the tracks is there. */
export interface VideoFormat {
  readonly container: Container;
  readonly picture?: PictureTrack;
  readonly sound?: SoundTrack;
  /** MP4 and MOV: where the index is. In front by default, so that a player starts before it has the whole file. */
  readonly index?: 'front' | 'end';
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
   * How frames are given. `rgba`: four bytes a pixel, opaque. `yuv420p`: the planes Y, U and V one after another, BT.709 in
   * studio range.
   */
  readonly pixels: 'rgba' | 'yuv420p';
  /** FFmpeg decides by default; x264 gives the same bytes for the same number of threads only. */
  readonly threads?: number;
  /** FFmpeg's options of the encoder, such as `preset` and `crf`. */
  readonly options?: Readonly<Record<string, string>>;
}

/** A sound track, known as a whole. */
export interface SoundTrack {
  readonly codec: AudioCodec;
  /** Hertz. */
  readonly sampleRate: number;
  /** The samples of one or two channels, -1 to 1, of one length. */
  readonly channels: readonly Float32Array[];
  /** FFmpeg decides by default. */
  readonly bitsPerSecond?: number;
}
