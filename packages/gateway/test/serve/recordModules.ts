import { writeFileSync } from 'node:fs';
import { registerHooks } from 'node:module';

// Imported before a gateway: writes the URLs of all modules that the process has loaded when it ends, into the file RECORD_MODULES.
const urls: string[] = [];
registerHooks({
  load(url, context, next) {
    urls.push(url);
    return next(url, context);
  },
});
process.once('exit', () => writeFileSync(process.env.RECORD_MODULES ?? '', JSON.stringify(urls)));
