import type { VideoRequest } from '../tasks/request.ts';
import { wireName } from './fields.ts';
import type { Model } from './model.ts';
import { type Shape, shapeOf, sizeText } from './sizes.ts';
import { holds, type Parametrised } from './validate/rules.ts';

/** A request as its upstream gets it. */
export interface UpstreamRequest extends VideoRequest {
  /** See `inputs` of a model. */
  readonly inputs?: Model['inputs'];
  /** See `protocol` of a model. */
  readonly protocol?: Model['protocol'];
}

/** The parameters that determine the price, as sent upstream. */
export interface UpstreamParameters extends Shape {
  /** Seconds. */
  readonly duration: number;
  readonly generateAudio?: boolean;
}

/** The requested values of the parameters that determine the price. */
export type Asked = Pick<VideoRequest, 'duration' | 'resolution' | 'aspectRatio' | 'width' | 'height'> & {
  readonly generateAudio?: boolean;
};

/** Maps requested parameters to ones that the upstream supports. */
export function upstreamParameters(model: Model, asked: Asked): UpstreamParameters {
  const specs = model.parameters;
  const resolution = specs.resolution.roundsTo?.[asked.resolution] ?? asked.resolution;
  const aspectRatio = specs.aspectRatio.roundsTo?.[asked.aspectRatio] ?? asked.aspectRatio;
  const reshaped = resolution !== asked.resolution || aspectRatio !== asked.aspectRatio;
  const { width, height } = reshaped ? shapeOf(model, resolution, aspectRatio) : asked;
  return {
    duration: upstreamDuration(model, asked.duration),
    resolution,
    aspectRatio,
    width,
    height,
    ...(asked.generateAudio === undefined ? {} : { generateAudio: asked.generateAudio }),
  };
}

/** The request with all values mapped to ones that the upstream supports. */
export function upstreamRequest(model: Model, request: VideoRequest): UpstreamRequest {
  // No upstream learns where the caller wants to be told.
  const { style, webhookUrl: _, ...rest } = request;
  const appended = model.parameters.style?.appendToPrompt === true;
  return {
    ...rest,
    ...upstreamParameters(model, request),
    ...(style === undefined || appended ? {} : { style }),
    prompt: upstreamPrompt(model, request),
    inputs: model.inputs,
    ...(model.protocol === undefined ? {} : { protocol: model.protocol }),
  };
}

/** The prompt as sent. The style is appended to it if the upstream has no such parameter. */
export function upstreamPrompt(
  model: Model,
  { prompt, style }: Pick<VideoRequest, 'prompt' | 'style'>,
): string {
  const appended = style !== undefined && model.parameters.style?.appendToPrompt === true;
  return appended ? `${prompt}\nStyle: ${style}` : prompt;
}

/** The upstream's name of the model that serves this request, at the given service. */
export function upstreamModelOf(model: Model, request: Parametrised, service?: string): string {
  const particular = model.upstreamModels.find(({ when }) => holds(when, request))?.upstreamModel;
  const own = service === undefined ? undefined : model.services[service]?.upstreamModel;
  return particular ?? own ?? model.upstreamModel;
}

/** One sentence for each parameter that is sent upstream with another value than requested. */
export function roundingNotes(model: Model, asked: Asked): string[] {
  const sent = upstreamParameters(model, asked);
  const notes: string[] = [];
  if (sent.duration !== asked.duration) {
    notes.push(`${model.title} makes no video of ${asked.duration} s; ${sent.duration} s are made.`);
  }
  for (const parameter of ['resolution', 'aspectRatio'] as const) {
    if (sent[parameter] === asked[parameter]) continue;
    notes.push(
      `${model.title} does not take ${wireName(parameter)} ${asked[parameter]}; ${sent[parameter]} is made, ${sizeText(sent)}.`,
    );
  }
  return notes;
}

/** Says that the upstream retired the model, and which one serves it now. */
export function redirectNotes({ redirect, upstreamModel }: Model): string[] {
  if (!redirect) return [];
  return [
    `${redirect.from} was retired on ${redirect.since} (${redirect.reason}); ${upstreamModel} serves it.`,
  ];
}

function upstreamDuration({ parameters: { duration: spec } }: Model, asked: number): number {
  return (spec.kind === 'numbers' ? spec.roundsTo?.[asked] : undefined) ?? asked;
}
