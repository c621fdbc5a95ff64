import { AVFMT_FLAG_BITEXACT, AVFMT_GLOBALHEADER } from 'node-av/constants';
import { type CodecContext, Dictionary, FormatContext, type Packet, type Stream } from 'node-av/lib';
import { check } from './check.ts';
import { encode, openPictureEncoder, openSoundEncoder } from './encoder.ts';
import type { PictureTrack, SoundTrack, VideoFormat } from './format.ts';
import { pictureFrames, soundFrame } from './frames.ts';

/** Writes a video file. Calls must not overlap. */
export interface VideoWriter {
  /** Adds the next frame, in the pixel format of the picture track. The pixels must not change until the promise resolves. */
  write(pixels: Buffer): Promise<void>;
  /** Writes the frames that the encoders still hold, the rest of the sound, and the index. */
  finish(): Promise<void>;
}

/** Opens a video file for writing. The same frames and samples give the same bytes, because neither times nor the version of FFmpeg are written. */
export async function createVideoWriter(path: string, format: VideoFormat): Promise<VideoWriter> {
  const file = await openFile(path, format);
  const { picture } = file;
  const frameOf = format.picture && pictureFrames(format.picture);
  let frames = 0;
  return {
    async write(pixels) {
      if (!picture || !frameOf) throw new Error('this video has no picture track');
      using frame = await frameOf(pixels);
      frame.pts = BigInt(frames++);
      await encode(picture.encoder, frame, (packet) => file.write(packet, picture));
      await file.soundUntil(frames / picture.track.fps);
    },
    async finish() {
      await file.soundUntil(Number.POSITIVE_INFINITY);
      if (picture) await encode(picture.encoder, null, (packet) => file.write(packet, picture));
      await file.finish();
    },
  };
}

/**
 * Writes a video that repeats a few frames until there are `count`. It repeats only the packets, so ten seconds cost hardly more than
 * one. The encoder must give one packet for each frame, in order, beginning with a key frame.
 */
export async function writeLoop(
  path: string,
  format: VideoFormat & { readonly picture: PictureTrack },
  pixels: readonly Buffer[],
  count: number,
): Promise<void> {
  const file = await openFile(path, format);
  const { picture } = file;
  if (!picture) throw new Error('this video has no picture track');
  const packets = await encodeAll(picture, pixels);
  for (let index = 0; index < count; index++) {
    using packet = copyOf(packets[index % packets.length]);
    packet.pts = packet.dts = BigInt(index);
    packet.duration = 1n;
    await file.write(packet, picture);
    await file.soundUntil((index + 1) / picture.track.fps);
  }
  for (const packet of packets) packet.free();
  await file.soundUntil(Number.POSITIVE_INFINITY);
  await file.finish();
}

async function encodeAll({ encoder, track }: Picture, pixels: readonly Buffer[]): Promise<Packet[]> {
  const frameOf = pictureFrames(track);
  const packets: Packet[] = [];
  const keep = (packet: Packet): void => void packets.push(copyOf(packet));
  for (const [index, one] of pixels.entries()) {
    using frame = await frameOf(one);
    frame.pts = BigInt(index);
    await encode(encoder, frame, keep);
  }
  await encode(encoder, null, keep);
  return packets;
}

function copyOf(packet: Packet | undefined): Packet {
  const copy = packet?.clone();
  if (!copy) throw new Error('Could not copy a packet');
  return copy;
}

interface Picture {
  readonly track: PictureTrack;
  readonly encoder: CodecContext;
  readonly stream: Stream;
}

interface Sound {
  readonly track: SoundTrack;
  readonly encoder: CodecContext;
  readonly stream: Stream;
}

/** The file and its tracks. */
interface OpenFile {
  readonly picture: Picture | undefined;
  /** Writes a packet that has the times of the track's encoder. */
  write(packet: Packet, track: Picture | Sound): Promise<void>;
  /** Encodes the sound up to a time in seconds. Called in step with the pictures, so that both are close together in the file. */
  soundUntil(seconds: number): Promise<void>;
  /** Drains the sound's encoder, writes the index and closes the file. */
  finish(): Promise<void>;
}

async function openFile(
  path: string,
  { container, picture, sound, index, comment }: VideoFormat,
): Promise<OpenFile> {
  const output = new FormatContext();
  check(output.allocOutputContext2(null, container, path), 'open the muxer');
  output.setFlags(AVFMT_FLAG_BITEXACT);
  if (comment !== undefined) output.metadata = Dictionary.fromObject({ comment });
  const globalHeader = ((output.oformat?.flags ?? 0) & AVFMT_GLOBALHEADER) !== 0;
  const pictureTrack = picture && addStream(output, picture, await openPictureEncoder(picture, globalHeader));
  const soundTrack = sound && addStream(output, sound, await openSoundEncoder(sound, globalHeader));
  check(await output.openOutput(), 'open the file');
  const faststart = (container === 'mp4' || container === 'mov') && index !== 'end';
  check(
    await output.writeHeader(faststart ? Dictionary.fromObject({ movflags: '+faststart' }) : null),
    'write the header',
  );
  let samples = 0;

  const file: OpenFile = {
    picture: pictureTrack,
    async write(packet, { encoder, stream }) {
      packet.rescaleTs(encoder.timeBase, stream.timeBase);
      packet.streamIndex = stream.index;
      check(await output.interleavedWriteFrame(packet), 'write a packet');
    },
    async soundUntil(seconds) {
      if (!soundTrack) return;
      const { encoder, track } = soundTrack;
      const length = track.channels[0]?.length ?? 0;
      while (samples < Math.min(length, seconds * track.sampleRate)) {
        using frame = soundFrame(track, samples, Math.min(encoder.frameSize, length - samples));
        samples += frame.nbSamples;
        await encode(encoder, frame, (packet) => file.write(packet, soundTrack));
      }
    },
    async finish() {
      if (soundTrack) await encode(soundTrack.encoder, null, (packet) => file.write(packet, soundTrack));
      check(await output.writeTrailer(), 'finish the file');
      await output.closeOutput();
      pictureTrack?.encoder.freeContext();
      soundTrack?.encoder.freeContext();
      output.freeContext();
    },
  };
  return file;
}

function addStream<T>(
  output: FormatContext,
  track: T,
  encoder: CodecContext,
): { readonly track: T; readonly encoder: CodecContext; readonly stream: Stream } {
  const stream = output.newStream();
  stream.timeBase = encoder.timeBase;
  check(stream.codecpar.fromContext(encoder), 'describe a stream');
  if (encoder.framerate.num > 0) stream.avgFrameRate = encoder.framerate;
  return { track, encoder, stream };
}
