import { randomUUID } from 'node:crypto';
import { type Answer, Refusal } from '../core/http/answer.ts';
import { NO_MODEL } from './assumptions.ts';

/** An error of DashScope: `{code, message, request_id}` ("Error messages", Model Studio). */
export function dashscopeError(status: number, code: string, message: string): Answer {
  return { status, body: { code, message, request_id: randomUUID() } };
}

/** "Error messages" and the API references, each with its status. */
export const ERRORS = {
  noKey: dashscopeErrorOf(401, 'InvalidApiKey', 'No API-key provided.'),
  wrongKey: dashscopeErrorOf(401, 'InvalidApiKey', 'Invalid API-key provided.'),
  synchronous: dashscopeErrorOf(403, 'AccessDenied', 'current user api does not support synchronous calls.'),
  noModel: dashscopeErrorOf(NO_MODEL.status, NO_MODEL.code, NO_MODEL.message),
  wrongPath: dashscopeErrorOf(400, 'InvalidParameter', 'url error, please check url！'),
  tooFast: dashscopeErrorOf(
    429,
    'Throttling.RateQuota',
    'Requests rate limit exceeded, please try again later.',
  ),
  freeTier: dashscopeErrorOf(
    403,
    'AllocationQuota.FreeTierOnly',
    'The free tier of the model has been exhausted. If you wish to continue access the model on a paid basis, please disable the "use free tier only" mode in the management console.',
  ),
  unpurchased: dashscopeErrorOf(
    403,
    'AccessDenied.Unpurchased',
    'Access to model denied. Please make sure you are eligible for using the model.',
  ),
  moderatedInput: dashscopeErrorOf(400, 'DataInspectionFailed', 'Green net check rejected text (input)'),
  notPending: dashscopeErrorOf(
    400,
    'UnsupportedOperation',
    'Failed to cancel the task, please confirm if the task is in PENDING status.',
  ),
} as const;

/** The errors of an account with unpaid bills. The three with status 429 must not be retried. */
export const BILLING_ERRORS: Readonly<Record<string, () => Answer>> = {
  Arrearage: dashscopeErrorOf(
    400,
    'Arrearage',
    'Access denied, please make sure your account is in good standing.',
  ),
  PrepaidBillOverdue: dashscopeErrorOf(429, 'PrepaidBillOverdue', 'The prepaid bill is overdue.'),
  PostpaidBillOverdue: dashscopeErrorOf(429, 'PostpaidBillOverdue', 'The postpaid bill is overdue.'),
  CommodityNotPurchased: dashscopeErrorOf(429, 'CommodityNotPurchased', 'Commodity has not purchased yet.'),
};

export const invalidParameter = (message: string): Refusal =>
  new Refusal(dashscopeError(400, 'InvalidParameter', message));

function dashscopeErrorOf(status: number, code: string, message: string): () => Answer {
  return () => dashscopeError(status, code, message);
}
