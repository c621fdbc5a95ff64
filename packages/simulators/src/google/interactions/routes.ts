import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Account } from '../../core/accounts.ts';
import { planOf } from '../../core/jobs/markers.ts';
import { type Fields, isObject } from '../body.ts';
import type { VeoContext, VeoJob } from '../veoJob.ts';
import { omniRefusals } from './errors.ts';
import { OMNI_GONE, OMNI_MODELS, OMNI_PIXELS, TOKENS_PER_SECOND } from './models.ts';
import { parseInteraction } from './parseRequest.ts';
import { createdView, interactionView, isOmniJob, type OmniJob } from './view.ts';

/** The guide shows `v1beta`, and the SDK sends `v1`. */
const INTERACTIONS = '/:version(^v1|v1beta$)/interactions';

interface ById {
  Params: { id: string };
}

/** What the Interactions API shares with the rest of the Gemini API. */
export interface GeminiParts {
  readonly authenticate: (request: FastifyRequest) => Account;
  /** Refuses accounts without quota, and models that the account has asked too often. */
  readonly admit: (account: Account, modelName: string) => void;
  readonly newId: Parameters<VeoContext['jobs']['submit']>[0]['newId'];
  /** The link of the job's video. */
  readonly fileUri: (job: VeoJob) => string;
}

/** `POST …/interactions` in the background, `GET`, `POST …/cancel` and `DELETE`. There is no list of interactions. */
export function interactionRoutes(app: FastifyInstance, context: VeoContext, parts: GeminiParts): void {
  function found(request: FastifyRequest<ById>): OmniJob {
    const account = parts.authenticate(request);
    const { id } = request.params;
    const job = context.jobs.find(id);
    if (!isOmniJob(job) || job.account !== account.name) throw omniRefusals.unknown(id);
    context.notes.about(request, job);
    return job;
  }

  async function view(job: OmniJob): Promise<Fields> {
    const inline = job.state === 'succeeded' && job.details.interaction.delivery === 'inline';
    const video = inline ? await context.resultOf(job) : undefined;
    return interactionView(job, context.timeShown, {
      file: parts.fileUri(job),
      ...(video === undefined ? {} : { video }),
    });
  }

  app.post(INTERACTIONS, { config: { operation: 'submit' } }, async (request) => {
    const account = parts.authenticate(request);
    const body = isObject(request.body) ? request.body : {};
    const name = typeof body.model === 'string' ? body.model : '';
    const job = create(context, account, { ...parts, name, body });
    context.notes.about(request, job);
    return createdView(job, context.timeShown);
  });

  app.get<ById>(`${INTERACTIONS}/:id`, { config: { operation: 'poll' } }, async (request) =>
    view(found(request)),
  );

  /** "This only applies to background interactions that are still running." */
  app.post<ById>(`${INTERACTIONS}/:id/cancel`, { config: { operation: 'cancel' } }, async (request) => {
    const job = found(request);
    if (!context.jobs.cancel(job))
      throw omniRefusals.invalid('Only an interaction that is still running can be cancelled.');
    return view(job);
  });

  app.delete<ById>(`${INTERACTIONS}/:id`, { config: { operation: 'delete' } }, async (request) => {
    context.jobs.remove(found(request));
    return {};
  });
}

function create(
  context: VeoContext,
  account: Account,
  {
    admit,
    newId,
    name,
    body,
  }: Pick<GeminiParts, 'admit' | 'newId'> & { readonly name: string; readonly body: Fields },
): OmniJob {
  const model = OMNI_MODELS[name];
  if (!model) {
    throw omniRefusals.model(name, OMNI_GONE.includes(name) ? 'is no longer available' : 'is not found');
  }
  admit(account, name);
  const interaction = parseInteraction(model, body);
  if (planOf(interaction.prompt).ending === 'refused') throw omniRefusals.blocked();
  const { resolution, portrait, seconds } = interaction;
  const { width, height } = OMNI_PIXELS[resolution];
  const job = context.jobs.submit({
    account: account.name,
    model: name,
    prompt: interaction.prompt,
    video: { width: portrait ? height : width, height: portrait ? width : height, seconds, audio: true },
    newId: (random) => `v1_${newId(random)}`,
    details: {
      parent: '',
      samples: 1,
      storageUri: undefined,
      billedSeconds: seconds,
      usdPerSecond: (TOKENS_PER_SECOND[resolution] * model.usdPerMillion) / 1_000_000,
      complaint: undefined,
      interaction,
    },
  });
  return job as OmniJob;
}
