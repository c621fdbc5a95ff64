import type { Parameters } from './checks.ts';
import type { Content } from './content.ts';
import { refusals } from './errors.ts';
import type { SeedanceModel } from './models.ts';

/**
 * Seedance 2.5 makes something new from reference videos, edits one, or extends one. "Seedance 2.5", "Task types": the prompt decides, by
 * words such as these.
 */
const WORDS = {
  edit: /\b(edit|add|delete|remove|modify|replace|change)\b/i,
  extend: /\b(extend|continue)\b/i,
};

type TaskType = 'reference' | 'edit' | 'extend';

function typeByPrompt({ text, videos }: Content): TaskType {
  if (videos === 0) return 'reference';
  return WORDS.extend.test(text) ? 'extend' : WORDS.edit.test(text) ? 'edit' : 'reference';
}

/** "Editing: `ratio` adaptive, `duration` -1. Extending: `ratio` adaptive." Both need a reference video. */
const fits = (type: TaskType, { ratio, duration }: Parameters, { videos, task }: Content): boolean => {
  if (type === 'reference') return task === 'r2v';
  return videos > 0 && ratio === 'adaptive' && (type === 'extend' || duration === -1);
};

/** "If `omni_reference_task_type` is given, the request is checked at once." */
export function checkTaskType(parameters: Parameters, content: Content): void {
  const { taskType } = parameters;
  if (taskType !== 'auto' && !fits(taskType, parameters, content)) throw refusals.taskType(taskType);
}

/** Rules that are checked only when the task runs: they turn a success into a failure. */
export function brokenRules(model: SeedanceModel, parameters: Parameters, content: Content) {
  const found = typeByPrompt(content);
  const typed = model.fields.includes('omni_reference_task_type') && content.videos > 0;
  const mismatch = typed && parameters.taskType !== 'auto' && parameters.taskType !== found;
  const framesAreFixed = model.framesAreAdaptive && content.frames && parameters.ratio !== 'adaptive';
  const unfit = typed && parameters.taskType === 'auto' && !fits(found, parameters, content);
  return { taskTypeMismatch: mismatch, constraintBroken: mismatch || framesAreFixed || unfit };
}
