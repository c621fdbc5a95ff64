import { invalidRequest, type OnetakeError } from '../../tasks/errors.ts';
import type { VideoRequest } from '../../tasks/request.ts';
import type { Price } from '../../tasks/task.ts';
import { type Field, type Given, PARAMETERS, type Parameter, readFields } from '../fields.ts';
import type { Model } from '../model.ts';
import { priceOf } from '../pricing.ts';
import { redirectNotes, roundingNotes, upstreamParameters, upstreamPrompt } from '../upstream.ts';
import { list, shown } from '../words.ts';
import { nearest } from './nearest.ts';
import { checkParameter } from './parameter.ts';
import { checkRules, ruleNotes } from './rules.ts';
import { checkShape } from './shape.ts';
import { characters, checkMetadata, checkPrompt, checkProviderOptions, checkUrl } from './text.ts';

/** A checked request whose images are still in the caller's form: URL, data URL or base64. */
export type DraftRequest = Omit<VideoRequest, 'image' | 'lastFrame' | 'referenceImages'> & {
  readonly image?: string;
  readonly lastFrame?: string;
  readonly referenceImages?: readonly string[];
};

/** A submit body that the model accepts. */
export interface CheckedRequest {
  readonly model: Model;
  readonly draft: DraftRequest;
  readonly webhookUrl?: string;
  readonly price: Price;
  /** What the caller should know about how the request is carried out, such as roundings and redirections. */
  readonly notes: readonly string[];
}

/** The part of the catalogue that is needed to check requests. */
export interface ModelLookup {
  /** By id or alias. */
  get(id: string): Model | undefined;
  list(): readonly Model[];
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
    duration: parameters.duration ?? model.parameters.duration.default,
    ...shape,
    ...(metadata ? { metadata: checkMetadata(metadata) } : {}),
    ...(options ? { providerOptions: checkProviderOptions(options, model.provider) } : {}),
  };
  checkRules(model, draft);
  const webhook = fields.get('webhookUrl');
  return {
    model,
    draft,
    ...(webhook ? { webhookUrl: checkUrl(webhook) } : {}),
    price: priceOf(model, draft.duration, upstreamParameters(model, draft)),
    notes: notesOn(model, draft),
  };
}

/** What the caller should know about how a request is carried out. */
export const notesOn = (model: Model, draft: DraftRequest): string[] => [
  ...redirectNotes(model),
  ...roundingNotes(model, draft),
  ...ruleNotes(model, draft),
];

/** A style that is appended to the prompt counts towards its length. */
function checkTogether(model: Model, words: Parameters<typeof upstreamPrompt>[1]): void {
  if (characters(upstreamPrompt(model, words)) <= model.promptMaxLength) return;
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
  for (const parameter of PARAMETERS) {
    const given = fields.get(parameter);
    const spec = model.parameters[parameter];
    if (given && !spec) throw notTaken(model, parameter, given.name, models);
    if (!spec) continue;
    if (given) checked[parameter] = checkParameter(model, spec, given);
    else if (spec.kind === 'flag') checked[parameter] = spec.default;
  }
  // `checkParameter` returns the type that belongs to the parameter.
  return checked as Checked;
}

function notTaken(model: Model, parameter: Parameter, name: string, models: ModelLookup): OnetakeError {
  const takers = models
    .list()
    .filter((other) => other.parameters[parameter] && other.lifecycle.state === 'active')
    // The same family first, because that is the smallest change.
    .sort((a, b) => Number(b.family === model.family) - Number(a.family === model.family))
    .slice(0, 4)
    .map(({ id }) => id);
  const advice = takers.length > 0 ? `leave it out, or use ${list(takers, 'or')}` : 'leave it out';
  return invalidRequest(`${model.id} does not take ${name}; ${advice}.`, name);
}
