import { type Parameter, wireName } from '../../catalogue/fields.ts';
import { type InputRef, plainImages, type StoredInput, type VideoRequest } from '../../tasks/request.ts';
import {
  bodyOf,
  type Json,
  type OptionRules,
  type ParameterRow,
  refusedOptions,
  withOptions,
} from '../mapping/body.ts';
import { readDataUrl, readInput } from '../mapping/inputs.ts';
import { isObject } from '../mapping/jsonPath.ts';
import { type Job, UpstreamError } from '../provider.ts';
import type { PackageRow } from './packageRow.ts';
import type { StartOptions } from './videoModel.ts';

type Asked = Pick<Job, 'request' | 'openInput'>;
type File = NonNullable<StartOptions['image']>;
/** The options of `doStart` that a table can set. The upstream decides on options that it leaves out. */
type Written = Partial<Pick<StartOptions, 'prompt' | 'duration' | 'aspectRatio' | 'resolution' | 'seed'>> & {
  readonly generateAudio?: boolean;
};

type Inputs = NonNullable<Job['request']['inputs']>;

const IMAGE_FIELDS = ['image', 'lastFrame', 'references'] as const;

/** The options of `doStart` for a job. Throws `UpstreamError` if an image cannot be read or the package has no place for it. */
export async function callOptions(row: PackageRow, job: Asked): Promise<StartOptions> {
  const { request } = job;
  const { inputs = {} } = request;
  refuseForeignImages(row, inputs, request);
  const { providerOptions: _, ...table } = bodyOf(parametersOf(row, inputs), request);
  const options = {
    ...withOptions(rulesOf(row, request), request.providerOptions),
    ...(await namedImages(inputs, job)),
  };
  // `row.parameters` name only members of these options, written as the AI SDK documents them.
  const written = table as Written;
  const read = (input: StoredInput): Promise<File> => readFile(job, input);
  const image = !inputs.image && request.image && (await read(request.image));
  const lastFrame = !inputs.lastFrame && request.lastFrame && (await read(request.lastFrame));
  const references =
    !inputs.references && request.references && (await Promise.all(plainImages(request).map(read)));
  return {
    prompt: written.prompt,
    n: 1,
    duration: written.duration,
    aspectRatio: written.aspectRatio,
    resolution: written.resolution,
    seed: written.seed,
    generateAudio: written.generateAudio,
    fps: undefined,
    image: image || undefined,
    frameImages: lastFrame
      ? [
          ...(image ? [{ image, frameType: 'first_frame' as const }] : []),
          { image: lastFrame, frameType: 'last_frame' },
        ]
      : undefined,
    inputReferences: references || undefined,
    // The options come from a request body and from tables, so they are JSON.
    providerOptions: { [row.optionsName]: options as StartOptions['providerOptions'][string] },
  };
}

/** The row's table, with the inputs that the model spells itself in place of the row's. */
function parametersOf({ parameters, optionsName }: PackageRow, inputs: Inputs): ParameterRow[] {
  const spelt = Object.entries(inputs) as [Parameter, Inputs[Parameter]][];
  return [
    ...parameters.filter(({ from }) => !(from in inputs)),
    ...spelt.flatMap(([from, input]): ParameterRow[] => {
      if (!input || IMAGE_FIELDS.some((field) => field === from)) return [];
      const { name = wireName(from), form, unless } = input;
      return [
        {
          from,
          to: `providerOptions.${optionsName}.${name}`,
          as: (value: Json, request: VideoRequest) =>
            unless !== undefined && request[unless] !== undefined ? undefined : formed(value, form),
          // `as` takes the value of any parameter that is JSON, and images were left out above.
        } as ParameterRow,
      ];
    }),
  ];
}

/** A number of seconds in the form that the model wants. */
function formed(value: Json, form: Exclude<Inputs[Parameter], false | undefined>['form']): Json {
  if (form === 'text') return String(value);
  return form === 'seconds' ? `${value}s` : value;
}

/** The images that the model calls by names of its own, as data URLs. */
async function namedImages(inputs: Inputs, job: Asked): Promise<Record<string, Json>> {
  const named: Record<string, Json> = {};
  for (const field of IMAGE_FIELDS) {
    const input = inputs[field];
    if (!input || !job.request[field]) continue;
    const urls = await Promise.all(imagesIn(job.request, field).map((image) => readDataUrl(job, image)));
    const [first = ''] = urls;
    named[nameOf(field, input.name)] = field === 'references' ? urls : first;
  }
  return named;
}

/** The name of an input with images. */
const nameOf = (field: (typeof IMAGE_FIELDS)[number], own: string | undefined): string =>
  own ?? wireName(field === 'references' ? 'referenceImages' : field);

function imagesIn(request: VideoRequest, field: (typeof IMAGE_FIELDS)[number]): readonly InputRef[] {
  if (field === 'references') return plainImages(request);
  const image = request[field];
  return image ? [image] : [];
}

/** The package's own options for a request, and what a caller's may not set: also what the request sets in the AI SDK's own options. */
function rulesOf(row: PackageRow, request: Job['request']): OptionRules {
  const { inputs = {} } = request;
  const { providerOptions, ...table } = bodyOf(parametersOf(row, inputs), request);
  const own = isObject(providerOptions) ? providerOptions[row.optionsName] : undefined;
  const settled = Object.keys(table).flatMap((name) => [name, snakeCase(name)]);
  const images = IMAGE_FIELDS.flatMap((field) => {
    const input = inputs[field];
    return input && request[field] ? [nameOf(field, input.name)] : [];
  });
  return {
    own: isObject(own) ? (own as OptionRules['own']) : {},
    reserved: [...row.reserved, ...pricedNames(inputs), ...settled, ...images],
  };
}

/** See `Provider.refusedOptions`. */
export const refusedOf = (row: PackageRow, request: Job['request']): string[] =>
  refusedOptions(rulesOf(row, request), request.providerOptions);

/** Services name parameters so, and packages pass unknown options on to them. */
const snakeCase = (name: string): string => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

/** What the model calls the parameters that determine the price, which options of a caller cannot set. */
const pricedNames = (inputs: Inputs): string[] =>
  (['duration', 'resolution', 'generateAudio'] as const).flatMap((parameter) => {
    const input = inputs[parameter];
    return input && input.name !== undefined ? [input.name] : [];
  });

function refuseForeignImages(row: PackageRow, inputs: Inputs, request: VideoRequest): void {
  for (const field of IMAGE_FIELDS) {
    if (request[field] === undefined || row.images.includes(field) || inputs[field]) continue;
    throw foreign(row, field);
  }
  if (plainImages(request).length < (request.references?.length ?? 0)) throw foreign(row, 'references');
}

const foreign = (row: PackageRow, field: string): UpstreamError =>
  new UpstreamError('invalid_request', {
    created: 'no',
    message: 'This model cannot take one of the inputs that were given; leave it out.',
    detail: `${row.package} has no place for ${field}`,
  });

async function readFile(job: Asked, input: StoredInput): Promise<File> {
  return { type: 'file', mediaType: input.contentType, data: await readInput(job, input) };
}
