import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AVMEDIA_TYPE_VIDEO } from 'node-av/constants';
import { avGetCodecName, FormatContext, Packet } from 'node-av/lib';
import { check } from './check.ts';

/** The contents of a video file. */
export interface VideoFacts {
  readonly width: number;
  readonly height: number;
  /** Of the pictures. */
  readonly seconds: number;
  readonly fps: number;
  /** FFmpeg's name of the codec of each track. */
  readonly codecs: readonly string[];
}

/** Reads every packet of a video. For tests of code that writes videos. Unlike the gateway's own check, it trusts the file. */
export async function probe(bytes: Buffer): Promise<VideoFacts> {
  const folder = await mkdtemp(join(tmpdir(), 'onetake-probe-'));
  const path = join(folder, 'video');
  await writeFile(path, bytes);
  const context = new FormatContext();
  try {
    check(await context.openInput(path), 'open the video');
    check(await context.findStreamInfo(), 'read the streams');
    const { streams } = context;
    const video = streams.find(({ codecpar }) => codecpar.codecType === AVMEDIA_TYPE_VIDEO);
    if (!video) throw new Error('no video stream');
    let frames = 0;
    using packet = new Packet();
    packet.alloc();
    while ((await context.readFrame(packet)) >= 0) {
      if (packet.streamIndex === video.index) frames++;
      packet.unref();
    }
    const fps = video.avgFrameRate.num / video.avgFrameRate.den;
    return {
      width: video.codecpar.width,
      height: video.codecpar.height,
      seconds: frames / fps,
      fps,
      codecs: streams.map(({ codecpar }) => avGetCodecName(codecpar.codecId) ?? 'unknown'),
    };
  } finally {
    await context.closeInput();
    await rm(folder, { recursive: true, force: true });
  }
}
