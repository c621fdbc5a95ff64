import { invalidRequest, type OnetakeError } from '../../tasks/errors.ts';
import type { VideoRequest } from '../../tasks/request.ts';
import type { Price } from '../../tasks/task.ts';
import { type Field, type Given, PARAMETERS, type Parameter, readFields } from '../fields.ts';
import { IMAGE_FITS, type ImageFit, imagesGiven, unlimitedNotes } from '../imageLimits.ts';
import type { Model } from '../model.ts';
import { priceOf } from '../pricing.ts';
import { redirectNotes, roundingNotes, upstreamPrompt } from '../upstream.ts';
import { list, shown } from '../words.ts';
import { checkAmount } from './amount.ts';
import { nearest } from './nearest.ts';
import { AUTO_DURATION, checkParameter } from './parameter.ts';
import { checkReferences, type DraftReference, takesSource } from './references.ts';
import { checkRules, ruleNotes } from './rules.ts';
import { checkShape } from './shape.ts';
import { checkMetadata, checkPrompt, checkProviderOptions, checkUrl, isLonger } from './text.ts';

/** A checked request whose images and references are still in the caller's form: URL, data URL, base64 or the id of a file. */
export type DraftRequest = Omit<VideoRequest, 'image' | 'lastFrame' | 'references'> & {
  readonly image?: string;
  readonly lastFrame?: string;
  readonly references?: readonly DraftReference[];
};

/** A submit body that the model accepts. */
export interface CheckedRequest {
  readonly model: Model;
  readonly draft: DraftRequest;
  /** What becomes of an image that breaks the limits of the model. It is only known once the image is read. */
  readonly imageFit: ImageFit;
  readonly webhookUrl?: string;
  readonly price: Price;
  /** The most that the task may cost, in micro-units of the currency of its price. */
  readonly maxCostMicros?: number;
  /** What the caller should know about how the request is carried out, such as roundings and redirections. */
  readonly notes: readonly string[];
}

/** The part of the catalogue that is needed to check requests. */
export interface ModelLookup {
  /** By id or alias. */
  get(id: string): Model | undefined;
  list(): readonly Model[];
  /** The models that some service of their provider still has. */
  offered(): readonly Model[];
  /** The services whose prices a new task of the model may cost, at least one. Undefined: one without a price of its own. */
  pricedAt(model: Model): readonly (string | undefined)[];
}

/**
 * Checks a submit body against the catalogue: names, types, what the model accepts, and the rules between parameters. Throws a
 * 400 `OnetakeError` for the first mistake. The order of the checks does not depend on the order of the body.
 */
export function checkRequest(body: unknown, models: ModelLookup): CheckedRequest {
  const fields = readFields(body);
  const model = findModel(fields.get('model'), models);
  const prompt = checkPrompt(fields.get('prompt'), model.promptMaxLength, model.id);
  const parameters = checkParameters(model, fields, models);
  checkTogether(model, { ...parameters, prompt });
  const shape = checkShape(model, {
    size: fields.get('size'),
    resolution: parameters.resolution,
    aspectRatio: parameters.aspectRatio,
  });
  const metadata = fields.get('metadata');
  const options = fields.get('providerOptions');
  const draft: DraftRequest = {
    model: model.id,
    prompt,
    ...parameters,
    ...durationOf(model, parameters.duration),
    ...shape,
    ...(metadata ? { metadata: checkMetadata(metadata) } : {}),
    ...(options ? { providerOptions: checkProviderOptions(options, model.provider) } : {}),
  };
  checkRules(model, draft);
  const imageFit = checkImageFit(fields.get('imageFit'), draft);
  const webhook = fields.get('webhookUrl');
  const maxCost = fields.get('maxCost');
  return {
    model,
    draft,
    imageFit,
    ...(webhook ? { webhookUrl: checkUrl(webhook) } : {}),
    ...(maxCost ? { maxCostMicros: checkAmount(maxCost) } : {}),
    price: priceOf(model, draft, models.pricedAt(model)),
    notes: notesOn(model, draft, imageFit),
  };
}

/** The requested duration, or the longest one if the upstream is to decide. */
function durationOf(
  { parameters: { duration } }: Model,
  asked: number | undefined,
): Pick<DraftRequest, 'duration' | 'autoDuration'> {
  if (asked !== AUTO_DURATION) return { duration: asked ?? duration.default };
  return { duration: longestOf(duration), autoDuration: true };
}

const longestOf = (spec: Model['parameters']['duration']): number =>
  spec.kind === 'range' ? spec.max : Math.max(...spec.allowed);

/** What the caller should know about how a request is carried out. */
export const notesOn = (model: Model, draft: DraftRequest, imageFit: ImageFit): string[] => [
  ...redirectNotes(model),
  ...roundingNotes(model, draft),
  ...ruleNotes(model, draft),
  ...(imageFit === 'error' ? [] : unlimitedNotes(model, draft)),
];

/** Throws a 400 if the caller wants an image to be fitted and gives none. */
function checkImageFit(given: Given | undefined, draft: DraftRequest): ImageFit {
  if (!given) return 'error';
  const { name, value } = given;
  const fit = IMAGE_FITS.find((word) => word === value);
  if (!fit) throw invalidRequest(`${name} must be ${list(IMAGE_FITS, 'or')}; got ${shown(value)}.`, name);
  if (fit !== 'error' && imagesGiven(draft).size === 0) {
    throw invalidRequest(`${name} needs an image to fit, and the request has none; leave it out.`, name);
  }
  return fit;
}

/** A style that is appended to the prompt counts towards its length. */
function checkTogether(model: Model, words: Parameters<typeof upstreamPrompt>[1]): void {
  if (!isLonger(upstreamPrompt(model, words), model.promptMaxLength)) return;
  throw invalidRequest(
    `prompt and style together are too long: ${model.id} takes at most ${model.promptMaxLength} characters.`,
    'style',
  );
}

function findModel(given: Given | undefined, models: ModelLookup): Model {
  if (!given) throw invalidRequest('model is required; GET /v1/models lists the ids.', 'model');
  if (typeof given.value !== 'string') {
    throw invalidRequest(`model must be the id of a model, as text; got ${shown(given.value)}.`, 'model');
  }
  return models.get(given.value) ?? unknownModel(given.value, models);
}

function unknownModel(id: string, models: ModelLookup): never {
  const known = models.list().flatMap((model) => [model.id, ...model.aliases]);
  const guesses = nearest(id, known, 3);
  const advice =
    guesses.length > 0 ? `did you mean ${list(guesses, 'or')}?` : 'GET /v1/models lists the ids.';
  throw invalidRequest(`There is no model ${shown(id)}: ${advice}`, 'model', 'model_not_found');
}

type Checked = Partial<Pick<DraftRequest, Parameter>>;

/** The parameters that are given or have a default. `checkShape` fills in the defaults of the shape. */
function checkParameters(model: Model, fields: ReadonlyMap<Field, Given>, models: ModelLookup): Checked {
  const checked: Partial<Record<Parameter, unknown>> = {};
  const references = checkReferences(model, fields, models);
  if (references) checked.references = references;
  for (const parameter of PARAMETERS) {
    if (parameter === 'references') continue;
    const given = fields.get(parameter);
    const spec = model.parameters[parameter];
    if (parameter === 'videoUrl' && takesSource(model)) continue;
    if (given && !spec) throw notTaken(model, parameter, given.name, models);
    if (!spec) continue;
    if (given) checked[parameter] = checkParameter(model, spec, given);
    else if (spec.kind === 'flag' && spec.default !== undefined) checked[parameter] = spec.default;
  }
  // `checkParameter` returns the type that belongs to the parameter.
  return checked as Checked;
}

function notTaken(model: Model, parameter: Parameter, name: string, models: ModelLookup): OnetakeError {
  const takers = models
    .offered()
    .filter((other) => other.parameters[parameter])
    // The same family first, because that is the smallest change.
    .sort((a, b) => Number(b.family === model.family) - Number(a.family === model.family))
    .slice(0, 4)
    .map(({ id }) => id);
  const advice = takers.length > 0 ? `leave it out, or use ${list(takers, 'or')}` : 'leave it out';
  return invalidRequest(`${model.id} does not take ${name}; ${advice}.`, name);
}
