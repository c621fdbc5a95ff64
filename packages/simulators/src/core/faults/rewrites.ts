/** Members that hold the id of a job in the answers of the simulated upstreams. */
const ID_MEMBERS: ReadonlySet<string> = new Set(['id', 'task_id', 'name', 'request_id']);
/** Members that hold the words of an error. */
const WORDS_MEMBERS: ReadonlySet<string> = new Set([
  'message',
  'msg',
  'ErrMsg',
  'error',
  'detail',
  'failure',
  'failure_reason',
  'exception_message',
  'task_status_msg',
  'err_code',
  'raiMediaFilteredReasons',
]);

/** The JSON of an answer that names jobs by other ids. */
export const withOtherIds = (json: string): string =>
  changed(json, (name, value) =>
    ID_MEMBERS.has(name) && typeof value === 'string' ? `renamed_${value}` : value,
  );

/** The JSON of an answer whose errors have these words. */
export const withWords = (json: string, words: string): string =>
  changed(json, (name, value) => {
    if (!WORDS_MEMBERS.has(name)) return value;
    if (Array.isArray(value) && value.every((item) => typeof item === 'string'))
      return value.map(() => words);
    return typeof value === 'string' ? words : value;
  });

/** The JSON of an answer whose errors are these words alone. */
export const withFlatErrors = (json: string, words: string): string =>
  changed(withWords(json, words), (name, value) => {
    const message: unknown =
      typeof value === 'object' && value !== null ? Reflect.get(value, 'message') : value;
    return name === 'error' && typeof message === 'string' ? message : value;
  });

/** Changes every member of a JSON text. A text of another kind stays as it is. */
function changed(json: string, change: (name: string, value: unknown) => unknown): string {
  try {
    return JSON.stringify(JSON.parse(json, change));
  } catch {
    return json;
  }
}
