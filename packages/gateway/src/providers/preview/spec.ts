import type { VideoRequest } from '../../tasks/request.ts';

/** What a render is made from; all that counts of a request, so that a crash loses nothing. Written once. */
export interface RenderSpec {
  readonly prompt: string;
  /** Seconds. */
  readonly duration: number;
  /** Pixels, both even. */
  readonly width: number;
  readonly height: number;
  readonly audio: boolean;
  /** Whether the camera stands still. */
  readonly cameraFixed: boolean;
  readonly seed: number;
  readonly style?: string;
  /** Names of the image files beside the spec. */
  readonly firstFrame?: string;
  readonly lastFrame?: string;
}

/** What to draw for a request. Without a seed of its own a job gets one from its key, so that a resumed render is the same. */
export function specOf(
  request: VideoRequest,
  idempotencyKey: string,
  images: { readonly firstFrame?: string; readonly lastFrame?: string },
): RenderSpec {
  return {
    prompt: request.prompt,
    duration: request.duration,
    width: request.width,
    height: request.height,
    audio: request.generateAudio ?? false,
    cameraFixed: request.cameraFixed ?? false,
    seed: request.seed ?? Number.parseInt(idempotencyKey.slice(-8), 16),
    ...(request.style === undefined ? {} : { style: request.style }),
    ...images,
  };
}
