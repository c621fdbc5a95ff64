import type { InputRef, VideoRequest } from '../../tasks/request.ts';
import { bodyOf, withOptions } from '../mapping/body.ts';
import { readInput } from '../mapping/inputs.ts';
import { type Job, UpstreamError } from '../provider.ts';
import { isObject } from './jsonPath.ts';
import type { PackageRow } from './packageRow.ts';
import type { StartOptions } from './videoModel.ts';

type File = NonNullable<StartOptions['image']>;
/** The options of `doStart` that a table can set. The upstream decides on options that it leaves out. */
type Written = Partial<Pick<StartOptions, 'prompt' | 'duration' | 'aspectRatio' | 'resolution' | 'seed'>> & {
  readonly generateAudio?: boolean;
};

/** The options of `doStart` for a job. Throws `UpstreamError` if an image cannot be read or the package has no place for it. */
export async function callOptions(row: PackageRow, job: Job): Promise<StartOptions> {
  const { request } = job;
  refuseForeignImages(row, request);
  const { providerOptions, ...table } = bodyOf(row.parameters, request);
  const own = isObject(providerOptions) ? providerOptions[row.optionsName] : undefined;
  const options = withOptions(isObject(own) ? { ...own } : {}, request.providerOptions, row.reserved);
  // `row.parameters` name only members of these options, written as the AI SDK documents them.
  const written = table as Written;
  const read = (input: InputRef): Promise<File> => readFile(job, input);
  const image = request.image && (await read(request.image));
  const lastFrame = request.lastFrame && (await read(request.lastFrame));
  const references = request.referenceImages && (await Promise.all(request.referenceImages.map(read)));
  return {
    prompt: written.prompt,
    n: 1,
    duration: written.duration,
    aspectRatio: written.aspectRatio,
    resolution: written.resolution,
    seed: written.seed,
    generateAudio: written.generateAudio,
    fps: undefined,
    image,
    frameImages: lastFrame && [
      ...(image ? [{ image, frameType: 'first_frame' as const }] : []),
      { image: lastFrame, frameType: 'last_frame' },
    ],
    inputReferences: references,
    // The options come from a request body and from tables, so they are JSON.
    providerOptions: { [row.optionsName]: options as StartOptions['providerOptions'][string] },
  };
}

function refuseForeignImages(row: PackageRow, request: VideoRequest): void {
  for (const field of ['image', 'lastFrame', 'referenceImages'] as const) {
    if (request[field] === undefined || row.images.includes(field)) continue;
    throw new UpstreamError('invalid_request', {
      created: 'no',
      message: 'This model cannot take one of the images that were given; leave it out.',
      detail: `${row.package} has no place for ${field}`,
    });
  }
}

async function readFile(job: Job, input: InputRef): Promise<File> {
  return { type: 'file', mediaType: input.contentType, data: await readInput(job, input) };
}
