import { z } from 'zod';
import type { Log } from '../../../observability/log.ts';
import type { Reason } from '../../../tasks/reasons.ts';
import type { UpstreamCall } from '../../http/calls.ts';
import { withPollAfter } from '../../http/retryAfter.ts';
import type { Scrub } from '../../http/secrets.ts';
import type { UpstreamHttp } from '../../http/upstreamHttp.ts';
import { createStatusReader } from '../../mapping/statusTable.ts';
import { type Answer, type Handle, MAKES_NOTHING, type Provider, UpstreamError } from '../../provider.ts';
import { detailOf, parseAnswer, unbroken } from '../answers.ts';
import { isNotFound } from '../errors.ts';
import { FILE_KEPT_MS, fileOf, placeOfFile } from '../files.ts';
import { readWithout } from '../inlineVideo.ts';
import { bodyFor, refusedOf } from './request.ts';
import { answerOf, readInteraction, STATUSES } from './wire.ts';

interface OmniParts {
  readonly http: UpstreamHttp;
  readonly scrub: Scrub;
  /** The address of the Gemini API, without the version. */
  readonly base: string;
  readonly log: Log;
}

const INTERACTIONS = '/v1beta/interactions';

/** Begins the ids of these jobs, which so are names like those of other resources of Google, and not taken for operations of Veo. */
const NAME = 'interactions/';

export const interactionName = (id: string): string => NAME + id;

type Named = Pick<Handle, 'upstreamId'>;

/** Whether a job was made by this provider. */
export const isInteraction = ({ upstreamId }: Named): boolean => upstreamId.startsWith(NAME);

const pathOf = ({ upstreamId }: Named): string =>
  `${INTERACTIONS}/${encodeURIComponent(upstreamId.slice(NAME.length))}`;

/** Members of an interaction that may have megabytes: the images of the input, which every answer repeats, and the model's own notes. */
const LARGE: ReadonlySet<string> = new Set(['data', 'signature']);

const File = z.object({ state: z.string() });
const REFUSED: ReadonlySet<Reason> = new Set(['auth_failed', 'invalid_request']);

/**
 * Gemini Omni on the Gemini API, through its Interactions API. There is no list of interactions and no idempotency key. So a submission whose
 * answer was lost stays unknown, and `find` is absent.
 */
export function createOmniProvider({ http, scrub, base, log }: OmniParts): Provider {
  const meaningOf = createStatusReader(STATUSES, log);

  /** The interaction that answers a call. Every answer may have the input, so none is read whole: a creation is paid for by then. */
  async function ask(call: UpstreamCall) {
    const { body, pollAfterMs } = await http.stream(call);
    const text = await unbroken(readWithout(body, LARGE), scrub);
    return { interaction: readInteraction(parseAnswer(text, scrub), scrub), pollAfterMs };
  }

  async function answer(handle: Handle, signal: AbortSignal): Promise<Answer> {
    const { interaction, pollAfterMs } = await ask({ method: 'GET', path: pathOf(handle), signal });
    const told = answerOf(interaction, meaningOf(interaction.status, handle.upstreamId), {
      expiresAt: handle.intendedAt + FILE_KEPT_MS,
      scrub,
    });
    return withPollAfter(told.state === 'succeeded' ? await stored(told, signal) : told, pollAfterMs);
  }

  /** The answer about a video that is made, once its file can be read: "poll until it is ACTIVE" (the guide). */
  async function stored(made: Extract<Answer, { state: 'succeeded' }>, signal: AbortSignal): Promise<Answer> {
    const file = fileOf(made.result.ref);
    if (file === undefined) return made;
    switch (await stateOf(file, signal)) {
      case 'PROCESSING':
        return { state: 'in_progress' };
      case 'FAILED':
        return {
          state: 'failed',
          reason: 'upstream_failed',
          message: 'The upstream provider could not store the video.',
          detail: `file ${file} FAILED`,
        };
      default:
        return made;
    }
  }

  /** Undefined if the service does not tell. Google refuses a file that is missing like one of another account. The download then shows it. */
  async function stateOf(file: string, signal: AbortSignal): Promise<string | undefined> {
    try {
      const { body } = await http.call({ method: 'GET', path: `/v1beta/files/${file}`, signal });
      return File.safeParse(body).data?.state;
    } catch (error) {
      if (error instanceof UpstreamError && REFUSED.has(error.reason)) return undefined;
      throw error;
    }
  }

  return {
    async submit(job, sending) {
      const json = await bodyFor(job);
      const { interaction } = await ask({ method: 'POST', path: INTERACTIONS, json, ...sending });
      const { id, status } = interaction;
      return {
        upstreamId: `${NAME}${id}`,
        state: meaningOf(status, id) === 'queued' ? 'queued' : 'in_progress',
      };
    },

    refusedOptions: refusedOf,

    async poll(handle, signal) {
      try {
        return await answer(handle, signal);
      } catch (error) {
        if (isNotFound(error)) return { state: 'missing', ...detailOf(error) };
        throw error;
      }
    },

    open(_handle, { ref }, offset, signal) {
      const { url, authorised } = placeOfFile(base, ref);
      return http.open(url, { offset, signal, authorised });
    },

    /** "This only applies to background interactions that are still running." */
    async cancel(handle, signal) {
      const path = `${pathOf(handle)}/cancel`;
      try {
        const { interaction } = await ask({ method: 'POST', path, maySend: MAKES_NOTHING, signal });
        const meaning = meaningOf(interaction.status, handle.upstreamId);
        if (meaning === 'cancelled') return 'cancelled';
        return meaning === 'queued' || meaning === 'in_progress' ? 'pending' : 'too_late';
      } catch (error) {
        if (error instanceof UpstreamError && error.created === 'no' && error.retry === 'never')
          return 'too_late';
        throw error;
      }
    },

    upstreamTime: http.upstreamTime,
    close: () => http.close(),
  };
}
