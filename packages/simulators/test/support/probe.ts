import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AVMEDIA_TYPE_VIDEO } from 'node-av/constants';
import { avGetCodecName, FormatContext, Packet } from 'node-av/lib';

/** What FFmpeg says of a video file, every packet read. */
export async function probe(bytes: Buffer): Promise<{
  width: number;
  height: number;
  seconds: number;
  fps: number;
  codecs: string[];
}> {
  const folder = await mkdtemp(join(tmpdir(), 'onetake-probe-'));
  const path = join(folder, 'video.mp4');
  await writeFile(path, bytes);
  const context = new FormatContext();
  try {
    if ((await context.openInput(path)) < 0 || (await context.findStreamInfo()) < 0) {
      throw new Error('not a video');
    }
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
