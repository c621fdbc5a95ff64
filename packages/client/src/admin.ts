import type { Http } from './http.ts';
import type {
  AuditEntry,
  AuditParams,
  CallOptions,
  CreatedKey,
  Key,
  KeyChanges,
  NewKey,
  NewProject,
  Project,
  ProjectChanges,
  RotatedKey,
} from './types.ts';

const PROJECTS = '/v1/admin/projects';
const KEYS = '/v1/admin/keys';

/** Whether a change is made that leaves nobody who may create keys over HTTP. */
interface Forced extends CallOptions {
  readonly force?: boolean | undefined;
}

/** What administrators do, with a key that has the scope `admin`. */
export interface Admin {
  readonly projects: {
    create(project: NewProject, options?: CallOptions): Promise<Project>;
    list(options?: CallOptions): Promise<readonly Project[]>;
    get(id: string, options?: CallOptions): Promise<Project>;
    /** Changes what is given; null takes it away. `archived` archives and restores. */
    update(id: string, changes: ProjectChanges, options?: CallOptions): Promise<Project>;
  };
  readonly keys: {
    /** The answer is the only one that has the key itself. */
    create(key: NewKey, options?: CallOptions): Promise<CreatedKey>;
    list(options?: CallOptions & { readonly project?: string | undefined }): Promise<readonly Key[]>;
    /** Changes what is given; null takes it away. */
    update(id: string, changes: KeyChanges, options?: Forced): Promise<Key>;
    /** Makes a key that may do the same. The former one stays valid for `overlap` seconds, a day by default. */
    rotate(
      id: string,
      options?: CallOptions & { readonly overlap?: number | undefined },
    ): Promise<RotatedKey>;
    revoke(id: string, options?: Forced): Promise<Key>;
  };
  /** The audit log, newest first. Pages are fetched as they are needed. */
  audit(params?: AuditParams, options?: CallOptions): AsyncGenerator<AuditEntry, void, undefined>;
}

export function createAdmin(http: Http): Admin {
  const of = (path: string, id: string): string => `${path}/${encodeURIComponent(id)}`;
  const read = async <T>(path: string, { signal }: CallOptions, query: Query = {}): Promise<T> =>
    (await http.json<T>({ path, query, signal, repeatable: true })).body;
  const write = async <T>(
    method: 'POST' | 'PATCH' | 'DELETE',
    path: string,
    { signal, force }: Forced,
    body?: unknown,
  ): Promise<T> =>
    (
      await http.json<T>({
        method,
        path,
        signal,
        ...(body === undefined ? {} : { body }),
        ...(force ? { query: { force: 'true' } } : {}),
      })
    ).body;
  const list = async <T>(path: string, options: CallOptions, query?: Query): Promise<readonly T[]> =>
    (await read<{ readonly data: readonly T[] }>(path, options, query)).data;

  return {
    projects: {
      create: (project, options = {}) => write('POST', PROJECTS, options, project),
      list: (options = {}) => list(PROJECTS, options),
      get: (id, options = {}) => read(of(PROJECTS, id), options),
      update: (id, changes, options = {}) => write('PATCH', of(PROJECTS, id), options, changes),
    },
    keys: {
      create: (key, options = {}) => write('POST', KEYS, options, key),
      list: ({ project, ...options } = {}) => list(KEYS, options, { project }),
      update: (id, changes, options = {}) => write('PATCH', of(KEYS, id), options, changes),
      rotate: (id, { overlap, ...options } = {}) =>
        write('POST', `${of(KEYS, id)}/rotate`, options, overlap === undefined ? {} : { overlap }),
      revoke: (id, options = {}) => write('DELETE', of(KEYS, id), options),
    },
    async *audit(params = {}, options = {}) {
      for (let after: string | undefined; ; ) {
        const page = await read<AuditPage>('/v1/admin/audit', options, { ...params, after });
        yield* page.data;
        if (!page.has_more || page.next_cursor === undefined) return;
        after = page.next_cursor;
      }
    },
  };
}

type Query = Readonly<Record<string, string | number | undefined>>;

interface AuditPage {
  readonly data: readonly AuditEntry[];
  readonly has_more: boolean;
  readonly next_cursor?: string;
}
