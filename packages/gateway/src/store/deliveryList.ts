import { DELIVERIES, listOf } from './tables.ts';
import { DELIVERY_STATES, type DeliveryQuery, type DeliveryState } from './webhooks.ts';

const COLUMNS = listOf(DELIVERIES);

/**
 * The statement of a list of deliveries, with the values of `$1`, `$2` and so on. Only what is asked for is in it, so that an index has exactly
 * what is listed in its order, however rare that is.
 */
export function deliveryList({ projectId, after, state, endpointId, taskId, limit }: DeliveryQuery) {
  const values: (string | number)[] = [];
  const given = (value: string | number): string => `$${values.push(value)}`;
  const project = given(projectId);
  const most = given(limit);
  const behind = after === undefined ? '' : ` and id < ${given(after)}`;
  const task = taskId === undefined ? undefined : given(taskId);
  const endpoint = endpointId === undefined ? undefined : given(endpointId);
  // A state is not a value: a plan for any of them would not know how rare this one is.
  const where = (conditions: string, of: DeliveryState | undefined) =>
    `select ${COLUMNS} from webhook_deliveries
    where ${conditions}${of === undefined ? '' : ` and state = '${of}'`}${behind} order by id desc limit ${most}`;
  // An expression, so that the project of an endpoint or a task is only checked, and never what is searched for.
  const checked = `(project_id || '') = ${project}`;
  if (task !== undefined) {
    // There are few, whatever else is asked for.
    const atEndpoint = endpoint === undefined ? '' : ` and (endpoint_id || '') = ${endpoint}`;
    return { text: where(`task_id = ${task}${atEndpoint} and ${checked}`, state), values };
  }
  if (endpoint === undefined) return { text: where(`project_id = ${project}`, state), values };
  const ofState = (one: DeliveryState) => where(`endpoint_id = ${endpoint} and ${checked}`, one);
  if (state !== undefined) return { text: ofState(state), values };
  // The newest of each state.
  const each = DELIVERY_STATES.map((one) => `select ${COLUMNS} from (${ofState(one)}) as ${one}`);
  const text = `select ${COLUMNS} from (${each.join(' union all ')}) as d order by id desc limit ${most}`;
  return { text, values };
}
