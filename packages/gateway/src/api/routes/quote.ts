import { z } from 'zod';
import { refuseArchived } from '../../auth/projects.ts';
import { checkMaxCost } from '../../catalogue/validate/amount.ts';
import { checkBudgetCurrency } from '../../engine/overLimit.ts';
import type { KeyWithProject } from '../../store/projects.ts';
import { MICROS } from '../../tasks/money.ts';
import { boundsOf, COUNTED_LIMITS, periodOf, type Quota } from '../../tasks/quota.ts';
import type { Price } from '../../tasks/task.ts';
import { type ApiContext, type App, keyOf } from '../context.ts';
import { ERRORS, ErrorAnswer, SubmitBody } from '../schemas.ts';
import { checkAsked, quotaOf } from '../submission.ts';

const LIMIT_NAMES = {
  tasksInFlight: 'tasks_in_flight',
  dailyBudgetMicros: 'daily_budget',
  monthlyBudgetMicros: 'monthly_budget',
} as const;

const QuoteLimit = z.object({
  of: z.enum(['project', 'key']),
  limit: z.enum(['tasks_in_flight', 'daily_budget', 'monthly_budget']),
  most: z.number(),
  left: z.number(),
  resets_at: z.number().optional().describe('Of a budget: when its UTC day or month ends'),
});

const QuoteAnswer = z.object({
  model: z.string(),
  price: z.object({
    hold: z.number().describe('The most that the video can cost: so much is held while it is made'),
    currency: z.string(),
    seconds: z.number().describe('Seconds that are charged at most'),
    per_second: z.number(),
    per_video: z.number().describe('Once, with what its inputs cost'),
  }),
  allowed: z.boolean().describe('Whether every limit has enough left for it at the moment'),
  limits: z
    .array(QuoteLimit)
    .describe('What limits of the key and its project have left; none if there are none'),
  notes: z.array(z.string()).optional(),
});

/** `POST /v1/video/generations/quote`: what a submit would cost, and whether it would be accepted. */
export function quoteRoute(app: App, context: ApiContext): void {
  app.post(
    '/v1/video/generations/quote',
    {
      config: { scope: 'generate' },
      schema: {
        operationId: 'quoteVideo',
        summary: 'Ask for the price of a video',
        description:
          'Takes the body of a submit and checks it in the same way, but stores nothing and reads none of its images. The price is that of the longest reference videos that the model takes, and `max_cost` is compared with it: a submit that measures shorter ones may be accepted where the quote is refused. Which `provider_options` the accounts pass on is checked by the submit alone. What limits have left may be taken by other tasks before the submit.',
        tags: ['Video'],
        body: SubmitBody,
        response: {
          200: QuoteAnswer,
          ...ERRORS,
          410: ErrorAnswer.describe('The services that are configured for the model no longer have it'),
          503: ErrorAnswer.describe('No account serves the model'),
        },
      },
      bodyLimit: context.settings.bodyLimit,
      // As for a submit.
      validatorCompiler: () => (value) => ({ value }),
    },
    async (request) => {
      const key = keyOf(request);
      refuseArchived(key.project);
      const { price, model, notes, maxCostMicros } = await checkAsked(context, request, request.body);
      checkMaxCost(price, maxCostMicros);
      const quota = quotaOf(key, context.settings.budgetCurrency);
      if (quota) checkBudgetCurrency(price, quota);
      const limits = quota ? await limitsLeft(context, key, quota) : [];
      const needed = { tasks_in_flight: 1, daily_budget: price.holdMicros, monthly_budget: price.holdMicros };
      return {
        model: model.id,
        price: partsOf(price),
        allowed: limits.every(({ limit, leftMicros }) => needed[limit] === 0 || leftMicros >= needed[limit]),
        limits: limits.map(({ leftMicros: _, ...limit }) => limit),
        ...(notes.length > 0 ? { notes: [...notes] } : {}),
      };
    },
  );
}

function partsOf({ holdMicros, currency, microsPerSecond, microsPerVideo = 0 }: Price) {
  const seconds = microsPerSecond === 0 ? 0 : (holdMicros - microsPerVideo) / microsPerSecond;
  return {
    hold: holdMicros / MICROS,
    currency,
    seconds,
    per_second: microsPerSecond / MICROS,
    per_video: microsPerVideo / MICROS,
  };
}

/** What each limit of a key and its project has left. */
async function limitsLeft({ store, clock }: ApiContext, key: KeyWithProject, quota: Quota) {
  const now = clock.now();
  const { projectId } = key;
  const read = async (of: 'project' | 'key', counted: { projectId: string; keyId?: string }) => {
    const use = await store.quotaUse(counted, now, quota.currency);
    const used = {
      tasksInFlight: use.tasksInFlight,
      dailyBudgetMicros: use.dayMicros,
      monthlyBudgetMicros: use.monthMicros,
    };
    return COUNTED_LIMITS.flatMap((name) => {
      const most = quota[of][name];
      if (most === undefined) return [];
      const unit = name === 'tasksInFlight' ? 1 : MICROS;
      const leftMicros = Math.max(0, most - used[name]);
      const resets = name === 'tasksInFlight' ? {} : { resets_at: boundsOf(periodOf(name, now)).to / 1000 };
      return [
        { of, limit: LIMIT_NAMES[name], most: most / unit, left: leftMicros / unit, leftMicros, ...resets },
      ];
    });
  };
  const own = await Promise.all([
    read('project', { projectId }),
    read('key', { projectId, keyId: key.family ?? key.id }),
  ]);
  return own.flat();
}
