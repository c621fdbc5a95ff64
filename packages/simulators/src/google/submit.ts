import type { Account } from '../core/accounts.ts';
import { Refusal } from '../core/http/answer.ts';
import { planOf } from '../core/jobs/markers.ts';
import type { Random } from '../core/random.ts';
import { type Fields, isObject } from './body.ts';
import { FILTERS, refusals } from './errors.ts';
import { PIXELS, type Service, type VeoModel } from './models.ts';
import { parseRequest, type VeoRequest } from './parseRequest.ts';
import type { VeoContext, VeoJob } from './veoJob.ts';

interface Submission {
  readonly service: Service;
  readonly account: Account;
  readonly modelName: string;
  readonly model: VeoModel;
  readonly body: { readonly instance: Fields; readonly parameters: Fields };
  /** Seconds of the video to extend. */
  readonly source: number | undefined;
  newId(random: Random): string;
  /** The resource that the operation will belong to. */
  readonly parent: string;
}

/** `predictLongRunning`: creates the job. */
export function submit(context: VeoContext, submission: Submission): VeoJob {
  const { model, modelName, body } = submission;
  const { request, complaint } = checked(context, submission);
  if (planOf(request.prompt).ending === 'refused') throw refusals.invalid(FILTERS.prompt);
  const { width, height } = PIXELS[request.resolution];
  const prices = request.audio ? model.usdPerSecond : model.usdPerSilentSecond;
  return context.jobs.submit({
    account: submission.account.name,
    model: modelName,
    prompt: textual(body.instance.prompt),
    video: {
      width: request.portrait ? height : width,
      height: request.portrait ? width : height,
      seconds: request.seconds,
      audio: request.audio,
    },
    newId: submission.newId,
    seed: request.seed,
    details: {
      parent: submission.parent,
      samples: request.samples,
      storageUri: request.storageUri,
      billedSeconds: request.billedSeconds,
      usdPerSecond: prices[request.resolution] ?? 0,
      complaint,
    },
  });
}

const ANYTHING: VeoRequest = {
  prompt: '',
  seconds: 8,
  billedSeconds: 8,
  resolution: '720p',
  portrait: false,
  samples: 1,
  audio: false,
  seed: undefined,
  storageUri: undefined,
};

/** If checks are late, a wrong request becomes a job that will fail. */
function checked(
  context: VeoContext,
  { service, model, body, source }: Submission,
): { request: VeoRequest; complaint: string | undefined } {
  try {
    return { request: parseRequest(service, model, body, source), complaint: undefined };
  } catch (error) {
    if (!(error instanceof Refusal) || !context.settings.lateChecks) throw error;
    return { request: ANYTHING, complaint: messageOf(error.answer.body) };
  }
}

const textual = (value: unknown): string => (typeof value === 'string' ? value : '');

function messageOf(body: unknown): string {
  const { error } = isObject(body) ? body : {};
  return isObject(error) ? textual(error.message) : '';
}
