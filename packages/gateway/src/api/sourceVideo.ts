import type { FastifyRequest } from 'fastify';
import { wireName } from '../catalogue/fields.ts';
import { fromSource } from '../catalogue/fromSource.ts';
import { serves } from '../catalogue/serving.ts';
import type { CheckedRequest } from '../catalogue/validate/request.ts';
import { invalidRequest, type OnetakeError } from '../tasks/errors.ts';
import { isTaskId } from '../tasks/ids.ts';
import type { Task } from '../tasks/task.ts';
import { type ApiContext, keyOf } from './context.ts';
import { resultOf } from './ownVideo.ts';

/** The video that `video_url` refers to. */
type Named = { readonly taskId: string } | { readonly mediaId: string };

/**
 * Finds the task that `video_url` refers to, if the model only starts from videos made by this gateway. Throws a 400 that says
 * what is wrong. A task of another project is treated as if it did not exist.
 */
export async function withSource(
  context: ApiContext,
  request: FastifyRequest,
  checked: CheckedRequest,
): Promise<CheckedRequest> {
  const { model, draft } = checked;
  if (draft.videoUrl === undefined || model.parameters.videoUrl?.of !== 'own') return checked;

  const named = nameOf(draft.videoUrl, ownHosts(context, request));
  if (!named) {
    throw refused(
      `must be a video made by this gateway: ${model.title} cannot start from another. Give the id of its task.`,
    );
  }
  const id = 'taskId' in named ? named.taskId : (await context.store.media(named.mediaId))?.taskId;
  const found = id === undefined ? undefined : await context.engine.read(id);
  const { task, result } = resultOf(found, keyOf(request).projectId, refused);
  const from = { request: task.request, duration: result.duration, ...upstreamOf(task, checked, context) };
  return fromSource(checked, from, context.catalogue);
}

/** The upstream identity of the video, for the account that made it. */
function upstreamOf(
  { id, request, attempt }: Task,
  { model }: CheckedRequest,
  { accounts, catalogue, clock }: ApiContext,
) {
  const account = accounts.find((candidate) => candidate.id === attempt?.accountId);
  if (account && account.providerId !== model.provider) {
    const maker = catalogue.get(request.model)?.providerTitle ?? account.providerId;
    throw refused(
      `names a video of ${request.model}, made by ${maker}; ${model.id} can only start from videos made by ${model.providerTitle}.`,
    );
  }
  const { upstreamId, upstreamResult } = attempt ?? {};
  if (!account || !serves(account, model, clock.now()) || upstreamId === undefined || !upstreamResult) {
    throw refused(`names a video of an account that does not serve ${model.id} any more.`);
  }
  const { ref, id: resultId } = upstreamResult;
  const source = { taskId: id, accountId: account.id, upstreamId, ref };
  return { source: { ...source, ...(resultId === undefined ? {} : { resultId }) } };
}

/** Parses a task id or a link of this gateway, absolute or as a path; undefined for any other URL. */
function nameOf(text: string, hosts: ReadonlySet<string>): Named | undefined {
  if (isTaskId(text)) return { taskId: text };
  const [own = ''] = hosts;
  const url = URL.parse(text, `http://${own}`);
  if (!url || !hosts.has(url.host)) return undefined;
  const [, mediaId] = /^\/media\/([0-9a-z-]+)\.mp4$/.exec(url.pathname) ?? [];
  if (mediaId !== undefined) return { mediaId };
  const [, last = ''] = /^\/v1\/video\/generations\/([^/]+)(?:\/content)?$/.exec(url.pathname) ?? [];
  const taskId = last === 'download' ? (url.searchParams.get('id') ?? '') : last;
  return isTaskId(taskId) ? { taskId } : undefined;
}

/** The hosts of this gateway's links: those used in answers, and the one that the caller sent the request to. */
function ownHosts({ settings, links }: ApiContext, { host }: FastifyRequest): ReadonlySet<string> {
  const bases = [links.baseUrl(), ...(settings.publicUrl === undefined ? [] : [settings.publicUrl])];
  return new Set([host, ...bases.map((base) => new URL(base).host)]);
}

const refused = (why: string): OnetakeError =>
  invalidRequest(`${wireName('videoUrl')} ${why}`, wireName('videoUrl'));
