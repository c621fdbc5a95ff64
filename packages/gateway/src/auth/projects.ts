import type { AuditRow, ProjectChanges, ProjectRow, ProjectStore } from '../store/projects.ts';
import { OnetakeError } from '../tasks/errors.ts';
import type { Clock } from '../time/clock.ts';
import { type Allowance, checkDefaultMetadata, checkLimits } from './allowance.ts';
import { checkName } from './names.ts';

export interface NewProject extends Allowance {
  /** What keys name it by. */
  readonly id: string;
  readonly name?: string;
}

export interface ProjectSettings extends Allowance {
  readonly name?: string;
  /** An archived project takes no new tasks. */
  readonly archived?: boolean;
}

/** Creates, lists and changes projects. */
export interface Projects {
  /** Throws a 409 if there is one with this id. */
  create(project: NewProject, actor: string): Promise<ProjectRow>;
  list(): Promise<readonly ProjectRow[]>;
  /** Throws a 404. */
  get(id: string): Promise<ProjectRow>;
  /** Changes what is given. Throws a 404. */
  change(id: string, settings: ProjectSettings, actor: string): Promise<ProjectRow>;
}

export function createProjects(store: ProjectStore, clock: Clock): Projects {
  const auditOf = (actor: string, action: string, subject: string): AuditRow => ({
    at: clock.now(),
    actor,
    action,
    subject,
  });

  return {
    async create({ id, name = id, limits = null, defaultMetadata = null }, actor) {
      checkName(id, 'id');
      checkName(name, 'name');
      const set = { limits: checkLimits(limits), defaultMetadata: checkDefaultMetadata(defaultMetadata) };
      const row: ProjectRow = { id, name, createdAt: clock.now(), ...withoutGaps(set) };
      const { id: _, createdAt: __, ...detail } = row;
      if (!(await store.putProject(row, { ...auditOf(actor, 'project.created', id), detail })))
        throw new OnetakeError('project_exists', 409, `There is a project ${id} already; change that one.`, {
          param: 'id',
        });
      return row;
    },
    list: () => store.listProjects(),
    async get(id) {
      return (await store.project(id)) ?? notFound(id);
    },
    async change(id, { name, archived, limits, defaultMetadata }, actor) {
      if (name !== undefined) checkName(name, 'name');
      const before = (await store.project(id)) ?? notFound(id);
      const changes: ProjectChanges = {
        ...(name === undefined ? {} : { name }),
        ...(limits === undefined ? {} : { limits: checkLimits(limits) }),
        ...(defaultMetadata === undefined ? {} : { defaultMetadata: checkDefaultMetadata(defaultMetadata) }),
        ...(archived === undefined
          ? {}
          : { archivedAt: archived ? (before.archivedAt ?? clock.now()) : undefined }),
      };
      const action =
        archived === undefined || archived === (before.archivedAt !== undefined)
          ? 'project.changed'
          : archived
            ? 'project.archived'
            : 'project.restored';
      return (await store.changeProject(id, changes, auditOf(actor, action, id))) ?? notFound(id);
    },
  };
}

/** The members that are not undefined. */
export const withoutGaps = <T extends object>(given: T): { [K in keyof T]?: NonNullable<T[K]> } =>
  Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as never;

function notFound(id: string): never {
  throw new OnetakeError('not_found', 404, `There is no project ${id}; list the projects to see their ids.`);
}

/** The 403 for a new task of a project that is archived. */
export function refuseArchived({ id, archivedAt }: ProjectRow): void {
  if (archivedAt === undefined) return;
  throw new OnetakeError(
    'project_archived',
    403,
    `The project ${id} is archived: its tasks go on and can be read, and it takes no new ones. An administrator can restore it.`,
  );
}
