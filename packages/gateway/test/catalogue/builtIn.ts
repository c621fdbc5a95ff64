import { createCatalogue } from '../../src/catalogue/catalogue.ts';
import type { DraftReference } from '../../src/catalogue/validate/references.ts';
import {
  type CheckedRequest,
  checkRequest,
  type DraftRequest,
} from '../../src/catalogue/validate/request.ts';
import { SHIPPED_MODELS } from '../../src/providers/declared/load.ts';
import { OnetakeError } from '../../src/tasks/errors.ts';
import type { InputRef, Reference, VideoRequest } from '../../src/tasks/request.ts';

/** The catalogue without changes. */
export const builtIn = createCatalogue({ declared: SHIPPED_MODELS, servers: [] });

/** A checked submission body; prompt and model are filled in. */
export const check = (body: Record<string, unknown>): CheckedRequest =>
  checkRequest({ model: 'onetake-preview', prompt: 'a paper boat', ...body }, builtIn);

/** The error of a submission body. */
export function refused(body: unknown): OnetakeError {
  try {
    checkRequest(body, builtIn);
  } catch (error) {
    if (error instanceof OnetakeError) return error;
    throw error;
  }
  throw new Error(`accepted: ${JSON.stringify(body).slice(0, 500)}`);
}

const stored = (sourceUrl: string): InputRef => ({
  mediaId: '0'.repeat(32),
  contentType: 'image/png',
  bytes: 1,
  width: 1280,
  height: 720,
  sourceUrl,
});

/** The request as a task stores it, with its images downloaded. */
export function asStored({ image, lastFrame, references, ...draft }: DraftRequest): VideoRequest {
  return {
    ...draft,
    ...(image === undefined ? {} : { image: stored(image) }),
    ...(lastFrame === undefined ? {} : { lastFrame: stored(lastFrame) }),
    ...(references === undefined ? {} : { references: references.map(storedReference) }),
  };
}

/** So short that as many as a model takes are within its limit for all together. */
const SECONDS = 3;

function storedReference({ type, role, from }: DraftReference): Reference {
  const image = stored('given' in from ? from.given : from.videoId);
  const given = role === undefined ? {} : { role };
  if (type === 'image') return { type, ...given, input: image };
  return type === 'video'
    ? { type, ...given, input: { ...image, contentType: 'video/mp4', duration: SECONDS, fps: 24 } }
    : { type, ...given, input: { ...image, contentType: 'audio/mpeg', duration: SECONDS } };
}
