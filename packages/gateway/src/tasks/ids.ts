import { v7 } from 'uuid';

/** A new task id: `video_` and a UUIDv7 without dashes. Ids sort by time, which also keeps inserts local in the index. */
export const newTaskId = (): string => `video_${newId()}`;

/** A UUIDv7 as 32 lowercase hex digits. */
export const newId = (): string => v7().replaceAll('-', '');

/** Whether `id` has the form of a task id. Other ids are never looked up. */
export const isTaskId = (id: string): boolean => /^video_[0-9a-f]{32}$/.test(id);

/** The id of an uploaded file: `file-`, as OpenAI's are, and the id of its media row. */
export const fileIdOf = (mediaId: string): string => `file-${mediaId}`;

/** The id of the media row of a file; undefined if `id` does not have the form of a file id. */
export const mediaIdOfFile = (id: string): string | undefined => /^file-([0-9a-f]{32})$/.exec(id)?.[1];

/** Whether text in place of a link or bytes names an uploaded file. Neither base64 nor a URL begins like this. */
export const namesFile = (text: string): boolean => text.startsWith('file-');
