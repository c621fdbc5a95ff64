export type { AudioCodec, Container, PictureTrack, SoundTrack, VideoCodec, VideoFormat } from './format.ts';
export { probe, type VideoFacts } from './probe.ts';
export { encodeStill, type StillFormat } from './still.ts';
export { createVideoWriter, type VideoWriter, writeLoop } from './writer.ts';
