import { z } from 'zod';

/** What the files here are for. OpenAI's other purposes are about things that are not done here. */
export const PURPOSES = ['user_data', 'vision'] as const;

const unixSeconds = z.int().describe('Unix seconds');

/** OpenAI's API description, schema OpenAIFile. */
export const FileObject = z.object({
  id: z
    .string()
    .describe('`file-` and 32 hex digits')
    .meta({ examples: ['file-019aa3c55bd97c8e8d4f1b2a3c4d5e6f'] }),
  object: z.literal('file'),
  bytes: z.int(),
  created_at: unixSeconds,
  expires_at: unixSeconds.describe('When the file is deleted. Tasks that were made with it keep their copy'),
  filename: z.string(),
  purpose: z.enum(PURPOSES),
  status: z.enum(['processed', 'error']).describe('`error`: its stored bytes are damaged; upload it again'),
});

export const FilePage = z.object({
  object: z.literal('list'),
  data: z.array(FileObject),
  first_id: z.string().nullable(),
  last_id: z.string().nullable(),
  has_more: z.boolean(),
});

export const DeletedFile = z.object({
  id: z.string(),
  object: z.literal('file'),
  deleted: z.literal(true),
});

export const UploadBody = z.strictObject({
  file: z
    .file()
    .describe(
      'A PNG, JPEG or WebP image of up to 20 MiB; an MP4, MOV or WebM video; or a WAV or MP3 sound. What it is shows in its bytes',
    ),
  purpose: z
    .enum(PURPOSES)
    .optional()
    .describe('`user_data` if it is left out; both mean the same here: an input of a video'),
  expires_after: z
    .strictObject({
      anchor: z.literal('created_at'),
      seconds: z.int().min(3600).max(2_592_000),
    })
    .optional()
    .describe(
      'As `expires_after[anchor]` and `expires_after[seconds]`: how long the file is kept, at most as long as without it (`ONETAKE_FILE_RETENTION_HOURS`)',
    ),
});
