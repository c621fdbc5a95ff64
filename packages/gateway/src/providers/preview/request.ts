import type { RenderSpec } from '@onetake/renderer';
import type { VideoRequest } from '../../tasks/request.ts';

/** What to draw for a request. A request without a seed gets one from the job's key, so that a resumed render is the same. */
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
