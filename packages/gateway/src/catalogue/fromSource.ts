import { invalidRequest } from '../tasks/errors.ts';
import type { SourceVideo, VideoRequest } from '../tasks/request.ts';
import { wireName } from './fields.ts';
import type { Model } from './model.ts';
import { priceOf } from './pricing.ts';
import { sizeText } from './sizes.ts';
import { upstreamParameters } from './upstream.ts';
import type { CheckedRequest, DraftRequest } from './validate/request.ts';
import { notesOn } from './validate/request.ts';
import { list } from './words.ts';

/** A finished video that another one is made from. */
export interface FinishedSource {
  readonly source: SourceVideo;
  readonly request: VideoRequest;
  /** Seconds, measured. */
  readonly duration: number;
}

/**
 * The request with its source, and with what the new video has of it: shape and duration decide the price, so they are
 * settled before the task is accepted. Throws a 400 where the source is of another model and the upstream keeps that.
 */
export function fromSource(checked: CheckedRequest, from: FinishedSource): CheckedRequest {
  const { model } = checked;
  const kept = keptOf(model, checked.draft);
  if (kept.has('model') && from.request.model !== model.id) {
    throw invalidRequest(
      `${wireName('videoUrl')} is a video of ${from.request.model}, and what is made from it is of the same model; set model to ${from.request.model}.`,
      'model',
    );
  }
  const { resolution, aspectRatio, width, height } = from.request;
  // A video that was extended is longer than its own request asked for.
  const duration = Math.max(from.request.duration, Math.round(from.duration));
  const draft: DraftRequest = {
    ...checked.draft,
    source: from.source,
    ...(kept.has('shape') ? { resolution, aspectRatio, width, height } : {}),
    ...(kept.has('duration') ? { duration } : {}),
  };
  const differences = [
    ...(sizeText(draft) === sizeText(checked.draft) ? [] : [sizeText(draft)]),
    ...(draft.duration === checked.draft.duration ? [] : [`${draft.duration} s`]),
  ];
  return {
    ...checked,
    draft,
    price: priceOf(model, draft.duration, upstreamParameters(model, draft)),
    notes: [
      ...notesOn(model, draft),
      ...(differences.length > 0 ? [`As its source, the video is of ${list(differences, 'and')}.`] : []),
    ],
  };
}

function keptOf({ parameters }: Model, draft: DraftRequest): ReadonlySet<'model' | 'shape' | 'duration'> {
  const { keeps = [], extendsWith } = parameters.videoUrl ?? {};
  const extending = extendsWith && draft.providerOptions?.[extendsWith.option] === extendsWith.value;
  return new Set(keeps.filter((what) => what !== 'duration' || !extending));
}
