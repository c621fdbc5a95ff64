import { z } from 'zod';
import { withPollAfter } from '../../http/retryAfter.ts';
import { excerpt, type Scrub } from '../../http/secrets.ts';
import type { UpstreamHttp } from '../../http/upstreamHttp.ts';
import type { Json } from '../../mapping/body.ts';
import { refusalError } from '../../mapping/errorTable.ts';
import { type Answer, type Handle, type Job, type Provider, UpstreamError } from '../../provider.ts';
import { detailOf, parseAnswer, unbroken } from '../answers.ts';
import { isNotFound, REFUSALS, refusalOf } from '../errors.ts';
import { inlineVideo, readOperation } from '../inlineVideo.ts';
import { bodyFor, refusedOf } from './request.ts';
import type { VeoService } from './services.ts';
import { answerOf, INLINE, succeeded } from './wire.ts';

interface VeoParts {
  readonly service: VeoService;
  readonly http: UpstreamHttp;
  readonly scrub: Scrub;
}

/** The most bytes of a video that is sent back to be extended: "input videos up to 141 seconds" at 720p. */
const MAX_SOURCE_BYTES = 100 * 2 ** 20;

/** The name means nothing here: the project in it may be domain-scoped (`example.com:my-project`), and a service may change its form. */
const Started = z.object({ name: z.string().min(1) });
const Refused = z.object({ error: z.object({ code: z.number() }) });

/**
 * Veo on either service. There is no list of operations, no way to stop one and no idempotency key. So a submission whose answer
 * was lost stays unknown, and `find` and `cancel` are absent.
 */
export function createVeoProvider({ service, http, scrub }: VeoParts): Provider {
  async function operation(handle: Handle, signal: AbortSignal): Promise<Answer> {
    const expiresAt = service.keptMs === undefined ? undefined : handle.intendedAt + service.keptMs;
    const { body, pollAfterMs } = await http.stream({ ...service.operationCall(handle), signal });
    const read = await unbroken(readOperation(body), scrub);
    if (read.inline) return succeeded(INLINE, expiresAt);
    return withPollAfter(answerOf(parseAnswer(read.text, scrub), expiresAt, scrub), pollAfterMs);
  }

  /** Opens the bytes of a video inside an operation. */
  async function openInline(
    job: Pick<Handle, 'upstreamId' | 'upstreamModel'>,
    offset: number,
    signal: AbortSignal,
  ) {
    const { body } = await http.stream({ ...service.operationCall(job), signal });
    const video = inlineVideo(body, offset);
    // Otherwise a video that is abandoned before it is read would keep its connection.
    body.on('error', () => undefined);
    video.once('close', () => body.destroy());
    return video;
  }

  async function videoOf({ request, upstreamModel }: Job, signal: AbortSignal): Promise<Json | undefined> {
    const { source, videoUrl } = request;
    if (source) {
      return (
        service.sourceVideo(source) ??
        (await sourceBytes({ upstreamId: source.upstreamId, upstreamModel }, signal))
      );
    }
    if (videoUrl === undefined) return undefined;
    throw refusedHere(
      'Veo extends only videos that it made itself: video_url must name one of your own finished Veo tasks.',
    );
  }

  async function sourceBytes(
    source: Pick<Handle, 'upstreamId' | 'upstreamModel'>,
    signal: AbortSignal,
  ): Promise<Json> {
    const pieces: Buffer[] = [];
    let length = 0;
    try {
      for await (const piece of await openInline(source, 0, signal)) {
        length += piece.length;
        if (length > MAX_SOURCE_BYTES) throw refusedHere('The video to extend is too large.');
        pieces.push(piece);
      }
    } catch (error) {
      throw beforeSubmit(error);
    }
    return { bytesBase64Encoded: Buffer.concat(pieces).toString('base64'), mimeType: 'video/mp4' };
  }

  return {
    async submit(job, sending) {
      const { parameters: rows, fixed } = service;
      const json = await bodyFor(job, { rows, fixed, video: await videoOf(job, sending.signal) });
      const { body } = await http.call({
        method: 'POST',
        path: service.submitPath(job.upstreamModel),
        json,
        ...sending,
      });
      const started = Started.safeParse(body);
      if (started.success) return { upstreamId: started.data.name, state: 'in_progress' };
      // An error inside a 200. Its code is the real status.
      const refused = Refused.safeParse(body);
      if (refused.success) {
        const status = refused.data.error.code;
        throw refusalError(REFUSALS, { ...refusalOf(body, status), status });
      }
      throw new UpstreamError('upstream_unavailable', {
        detail: `a start without an operation: ${excerpt(JSON.stringify(body) ?? 'nothing', scrub)}`,
      });
    },

    refusedOptions: (request) => refusedOf(request, { rows: service.parameters, fixed: service.fixed }),

    async poll(handle, signal) {
      try {
        return await operation(handle, signal);
      } catch (error) {
        if (isNotFound(error)) return { state: 'missing', ...detailOf(error) };
        throw error;
      }
    },

    async open(handle, result, offset, signal) {
      if (result.ref !== INLINE) {
        const { url, authorised } = service.place(result.ref);
        return http.open(url, { offset, signal, authorised });
      }
      try {
        return { stream: await openInline(handle, offset, signal), offset };
      } catch (error) {
        if (!isNotFound(error)) throw error;
        throw new UpstreamError('result_lost', detailOf(error));
      }
    },

    close: () => http.close(),
  };
}

const refusedHere = (message: string): UpstreamError =>
  new UpstreamError('invalid_request', { message, created: 'no' });

/** A failure while the request is being built. Nothing was submitted. */
function beforeSubmit(error: unknown): UpstreamError {
  if (isNotFound(error)) return refusedHere('The video to extend is no longer there.');
  const { reason, message, retryAfterMs, detail } =
    error instanceof UpstreamError
      ? error
      : new UpstreamError('upstream_unavailable', { detail: String(error) });
  return new UpstreamError(reason, {
    message,
    created: 'no',
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    ...(detail === undefined ? {} : { detail }),
  });
}
