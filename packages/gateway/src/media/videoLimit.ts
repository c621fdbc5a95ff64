import type { VideoRequest } from '../tasks/request.ts';

/** Bytes per pixel and second: 100 Mbit/s at 1080p, as in editing formats. Providers deliver a tenth of it. */
const BYTES_PER_PIXEL_SECOND = 6;
/** Added to every limit, because an upstream may deliver more than was requested. */
const BASE_BYTES = 256 * 2 ** 20;

/** The default limit for the size of a requested video, in bytes: far above what providers deliver. */
export const videoLimitOf = ({
  duration,
  width,
  height,
}: Pick<VideoRequest, 'duration' | 'width' | 'height'>): number =>
  BASE_BYTES + Math.ceil(duration * width * height * BYTES_PER_PIXEL_SECOND);
