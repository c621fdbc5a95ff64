import { GEMINI_PARAMETERS } from './request.ts';
import type { VeoService } from './service.ts';

export const GEMINI_URL = 'https://generativelanguage.googleapis.com';

/** "Generated videos are stored on the server for 2 days" (Gemini API, Veo, limitations). Milliseconds. */
const KEPT_MS = 2 * 24 * 3_600_000;

/** Veo on the Gemini API. `base` is without the version. */
export function geminiService(base: string): VeoService {
  return {
    parameters: GEMINI_PARAMETERS,
    fixed: {},
    keptMs: KEPT_MS,
    submitPath: (model) => `/v1beta/models/${encodeURIComponent(model)}:predictLongRunning`,
    operationCall: (name) => ({ method: 'GET', path: `/v1beta/${name}` }),
    place(uri) {
      // The key goes to the account's own base URL alone: files are asked for there by their name, as the SDK does.
      const [, file] = /\/files\/([\w-]+)(?::download)?(?:\?|$)/.exec(uri) ?? [];
      if (file === undefined) return { url: uri, authorised: new URL(uri).origin === new URL(base).origin };
      return { url: `${base}/v1beta/files/${file}:download?alt=media`, authorised: true };
    },
    sourceVideo: ({ ref }) => ({ uri: ref }),
  };
}
