import { invalidRequest } from '../tasks/errors.ts';
import type { SourceVideo, VideoRequest } from '../tasks/request.ts';
import { wireName } from './fields.ts';
import type { Model } from './model.ts';
import { priceOf } from './pricing.ts';
import { sizeText } from './sizes.ts';
import type { CheckedRequest, DraftRequest, ModelLookup } from './validate/request.ts';
import { notesOn } from './validate/request.ts';
import { list } from './words.ts';

/** A finished video as the source of another one. */
export interface FinishedSource {
  readonly source: SourceVideo;
  readonly request: VideoRequest;
  /** Seconds, measured. */
  readonly duration: number;
}

/**
 * Adds the source to a request, with the properties that the new video keeps from it. Shape and duration determine the price, so
 * they are known before the task is accepted. Throws a 400 if the upstream keeps the model and the source was made by another one.
 */
export function fromSource(
  checked: CheckedRequest,
  from: FinishedSource,
  models: ModelLookup,
): CheckedRequest {
  const { model } = checked;
  const kept = keptOf(model, checked.draft);
  if (kept.has('model') && from.request.model !== model.id) {
    throw invalidRequest(
      `${wireName('videoUrl')} is a video of ${from.request.model}, and must be changed by the same model; set model to ${from.request.model}.`,
      'model',
    );
  }
  const { resolution, aspectRatio, width, height } = from.request;
  // An extended video is longer than its own request.
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
    price: priceOf(model, draft, models.pricedAt(model)),
    notes: [
      ...notesOn(model, draft, checked.imageFit),
      ...(differences.length > 0 ? [`Like its source, the video has ${list(differences, 'and')}.`] : []),
    ],
  };
}

function keptOf({ parameters }: Model, draft: DraftRequest): ReadonlySet<'model' | 'shape' | 'duration'> {
  const { keeps = [], extendsWith } = parameters.videoUrl ?? {};
  const extending = extendsWith && draft.providerOptions?.[extendsWith.option] === extendsWith.value;
  return new Set(keeps.filter((what) => what !== 'duration' || !extending));
}
