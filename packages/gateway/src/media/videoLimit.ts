import type { VideoRequest } from '../tasks/request.ts';

/** Bytes a second for each pixel: 100 Mbit/s at 1080p, what editing formats take; providers deliver a tenth of it. */
const BYTES_PER_PIXEL_SECOND = 6;
/** Whatever was asked for: an upstream may deliver more than it was asked. */
const BASE_BYTES = 256 * 2 ** 20;

/** The most bytes that the video of a request may have, where no setting says so: far above all that providers deliver. */
export const videoLimitOf = ({
  duration,
  width,
  height,
}: Pick<VideoRequest, 'duration' | 'width' | 'height'>): number =>
  BASE_BYTES + Math.ceil(duration * width * height * BYTES_PER_PIXEL_SECOND);
