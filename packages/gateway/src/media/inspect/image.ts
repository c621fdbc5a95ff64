import type { NativePool } from '../../native/pool.ts';
import type { ImageFacts, ImageProblem, InspectImageOutput } from './image.job.ts';

const JOB = new URL('./image.job.ts', import.meta.url);

/** Decoding 50 megapixels takes about a second. */
const TIMEOUT_MS = 30_000;

const MESSAGES: Readonly<Record<ImageProblem, string>> = {
  not_image: 'The file is not a PNG, JPEG or WebP image.',
  too_many_pixels: 'The image has more than 50 megapixels; send a smaller one.',
  damaged: 'The image cannot be decoded; it is damaged or incomplete.',
};

/** The file is not a usable image. `problem` says why; `message` may be shown to the caller. */
export class BadImage extends Error {
  readonly problem: ImageProblem;

  constructor(problem: ImageProblem) {
    super(MESSAGES[problem]);
    this.name = 'BadImage';
    this.problem = problem;
  }
}

/** Decodes an image completely, after checking that its declared size is not too large. Throws `BadImage`. */
export async function inspectImage(native: NativePool, path: string): Promise<ImageFacts> {
  const output = await native.run<{ path: string }, InspectImageOutput>(
    JOB,
    { path },
    { timeoutMs: TIMEOUT_MS },
  );
  if (!output.ok) throw new BadImage(output.problem);
  return output.facts;
}
