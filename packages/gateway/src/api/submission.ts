import { hash } from 'node:crypto';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { withDefaultMetadata } from '../auth/allowance.ts';
import { requireModel } from '../auth/allowedModels.ts';
import { refuseArchived } from '../auth/projects.ts';
import { checkMeasuredReferences } from '../catalogue/measuredReferences.ts';
import { checkMaxCost } from '../catalogue/validate/amount.ts';
import { type CheckedRequest, checkRequest } from '../catalogue/validate/request.ts';
import { answered, logOf } from '../observability/requestLog.ts';
import { OutcomeUnknown } from '../store/errors.ts';
import type { KeyWithProject } from '../store/projects.ts';
import type { IdempotencyRecord } from '../store/store.ts';
import { draining, invalidRequest, OnetakeError } from '../tasks/errors.ts';
import { isCounted, type Quota } from '../tasks/quota.ts';
import type { VideoRequest } from '../tasks/request.ts';
import type { Task } from '../tasks/task.ts';
import { type ApiContext, keyOf } from './context.ts';
import { hangUpSignal } from './http/hangUp.ts';
import { withSource } from './sourceVideo.ts';

/** What a caller asked for, in whatever protocol. */
export interface Asked {
  /** What must be the same again under the same idempotency key. */
  readonly given: unknown;
  /** The same as a body of the unified API. Called only if there is no task yet. */
  unified(): Promise<unknown>;
  /** The API of the call, if it is not the unified one. */
  readonly api?: VideoRequest['api'];
  /** The task that this is a remix of. */
  readonly remixOf?: string;
}

/** Makes a task of a request, or finds the one that was made under its idempotency key. Throws what is wrong with the request. */
export type Submission = (
  request: FastifyRequest,
  reply: FastifyReply,
  asked: Asked,
) => Promise<{ readonly task: Task; readonly replayed: boolean }>;

/** Longer strings are most likely images. Characters. */
const LONG_TEXT = 4096;

/** Everything about a request that can be checked without its inputs. Throws what is wrong with it. */
export async function checkAsked(
  context: ApiContext,
  request: FastifyRequest,
  body: unknown,
): Promise<CheckedRequest> {
  const { catalogue, webhooks } = context;
  const wanted = allowed(keyOf(request), checkRequest(body, catalogue));
  catalogue.requireAvailable(wanted.model);
  const checked = await withSource(context, request, wanted);
  if (checked.webhookUrl !== undefined) webhooks.checkUrl(checked.webhookUrl, 'webhook_url');
  return checked;
}

/** The limits of a key and its project; undefined if nothing of them is counted. */
export function quotaOf(key: KeyWithProject, currency: string): Quota | undefined {
  const quota = { project: key.project.limits ?? {}, key: key.limits ?? {}, currency };
  return isCounted(quota.project) || isCounted(quota.key) ? quota : undefined;
}

/** The way of every request into the engine. */
export function createSubmission(context: ApiContext): Submission {
  const { engine, cluster, catalogue, inputs, clock, metrics, settings } = context;

  async function submit(
    request: FastifyRequest,
    reply: FastifyReply,
    { unified, api, remixOf }: Omit<Asked, 'given'>,
    idempotency: IdempotencyRecord | undefined,
  ) {
    const key = keyOf(request);
    const checked = await checkAsked(context, request, await unified());
    const { webhookUrl } = checked;
    // Clips may turn out to be shorter than the longest that are allowed, and so the video to be cheaper.
    if (!checked.draft.references) checkMaxCost(checked.price, checked.maxCostMicros);
    const quota = quotaOf(key, settings.budgetCurrency);
    const gone = hangUpSignal(reply);
    const { request: stored, media, ...read } = await inputs.readAll(checked, key.projectId, gone);
    const notes = [...checked.notes, ...read.notes];
    try {
      // If the client has disconnected, nobody would learn the id of the task.
      gone.throwIfAborted();
      const measured = checkMeasuredReferences(checked, stored, catalogue, settings.linksInputs);
      checkMaxCost(measured.price, checked.maxCostMicros);
      const submitted = await engine.submit({
        projectId: key.projectId,
        keyId: key.id,
        request: {
          ...measured.request,
          ...(webhookUrl === undefined ? {} : { webhookUrl }),
          ...(api === undefined ? {} : { api }),
          ...(remixOf === undefined ? {} : { remixOf }),
          ...(notes.length > 0 ? { notes } : {}),
        },
        price: measured.price,
        media,
        ...(idempotency ? { idempotency } : {}),
        ...(quota ? { quota } : {}),
      });
      if (submitted.replayed) await inputs.discard(media);
      else record(submitted.task, request, reply);
      return submitted;
    } catch (error) {
      // The task was not accepted, so its inputs are deleted; if that fails, the cleanup deletes them later. If the answer of the
      // store was lost, the task may have been accepted, and the inputs may belong to it.
      const lost =
        error instanceof OutcomeUnknown ||
        (cluster.shared && error instanceof OnetakeError && error.code === 'store_unavailable');
      if (!lost) await inputs.discard(media).catch(() => undefined);
      throw error;
    }
  }

  /** Counts the acceptance, and logs it in the one line of its request. */
  function record(task: Task, request: FastifyRequest, reply: FastifyReply): void {
    const { id, projectId, keyId, price } = task;
    const { model } = task.request;
    logOf(request).info(
      {
        event: 'task.accepted',
        ...answered(request, reply),
        key: keyId,
        task: id,
        model,
        project: projectId,
        holdMicros: price.holdMicros,
        currency: price.currency,
      },
      'task accepted',
    );
    request.isLogged = true;
    metrics.accepted.inc({ model });
  }

  function readIdempotency({ headers }: FastifyRequest, given: unknown): IdempotencyRecord | undefined {
    const key = readIdempotencyKey(headers['idempotency-key']);
    return key === undefined
      ? undefined
      : { key, bodyHash: hashOf(given), expiresAt: clock.now() + settings.idempotencyMs };
  }

  return async (request, reply, asked) => {
    const key = keyOf(request);
    const idempotency = readIdempotency(request, asked.given);
    // First of all, because everything else may have changed since the first attempt: the catalogue, the image behind a URL, a
    // gateway that is stopping now.
    const earlier = idempotency && (await engine.acceptedUnder(key.projectId, idempotency));
    if (earlier) return { task: earlier, replayed: true };
    refuseArchived(key.project);
    if (engine.draining) throw draining();
    return submit(request, reply, asked, idempotency);
  };
}

/** A request as its key may make it, with the metadata that key and project add. Throws if it may not. */
function allowed(key: KeyWithProject, checked: CheckedRequest): CheckedRequest {
  requireModel(key, checked.model.id);
  const metadata = withDefaultMetadata(key, checked.draft.metadata);
  return metadata ? { ...checked, draft: { ...checked.draft, metadata } } : checked;
}

/** Images are hashed separately, so that a large body is not serialised a second time. */
const hashOf = (body: unknown): string =>
  hash(
    'sha256',
    JSON.stringify(body, (_name, value) =>
      typeof value === 'string' && value.length > LONG_TEXT ? `sha256:${hash('sha256', value)}` : value,
    ) ?? '',
  );

function readIdempotencyKey(header: string | string[] | undefined): string | undefined {
  if (header === undefined) return undefined;
  if (typeof header !== 'string' || !/^[\x21-\x7e]{1,255}$/.test(header)) {
    throw invalidRequest('Idempotency-Key must be 1 to 255 visible ASCII characters.', 'Idempotency-Key');
  }
  return header;
}
