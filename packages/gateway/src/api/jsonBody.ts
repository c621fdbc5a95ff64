import { invalidRequest } from '../tasks/errors.ts';
import type { App } from './context.ts';

/** Parses JSON bodies strictly: bytes that are not UTF-8 and prototype tricks are refused, with what to mend. */
export function useStrictJson(app: App): void {
  const parse = app.getDefaultJsonParser('error', 'error');
  const decoder = new TextDecoder('utf-8', { fatal: true });

  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, body: Buffer, done) => {
    let text: string;
    try {
      text = decoder.decode(body);
    } catch {
      done(
        invalidRequest('The body is not valid UTF-8; encode the JSON as UTF-8.', undefined, 'invalid_json'),
      );
      return;
    }
    if (text.trim() === '') {
      // Many clients name a content type with every call, also where there is nothing to send.
      if (request.routeOptions.schema?.body === undefined) done(null, undefined);
      else done(invalidRequest('The body is empty; send a JSON object.', undefined, 'invalid_json'));
      return;
    }
    parse(request, text, (error, value) => {
      if (error) done(invalidRequest(mistakeIn(text), undefined, 'invalid_json'));
      else done(null, value);
    });
  });
}

/** Where the text stops being JSON; only text that the strict parser refused comes here. */
function mistakeIn(text: string): string {
  try {
    JSON.parse(text);
  } catch (error) {
    return `The body is not valid JSON: ${error instanceof Error ? error.message : String(error)}.`;
  }
  return 'The body has a field named "__proto__" or "constructor"; remove it.';
}
