import { generateKeyPairSync } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { createAccessTokens } from '../../../src/providers/google/accessToken.ts';
import { UpstreamError } from '../../../src/providers/provider.ts';
import { openHttpWhile } from '../../support/openHttp.ts';
import { serve } from '../../support/servers/httpServer.ts';
import { startProxy } from '../../support/servers/proxyServer.ts';
import { tempFolder } from '../../support/tempFolder.ts';
import { signal } from './world.ts';

it('the access token of a service account is requested through the proxy', async () => {
  const service = await serve((_request, response) =>
    response
      .setHeader('content-type', 'application/json')
      .end(JSON.stringify({ access_token: 'a-token', expires_in: 3600, token_type: 'Bearer' })),
  );
  const proxy = await startProxy();
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const file = join(await tempFolder(), 'key.json');
  await writeFile(
    file,
    JSON.stringify({
      type: 'service_account',
      client_email: 'gateway@example.iam.gserviceaccount.com',
      private_key: privateKey.export({ type: 'pkcs8', format: 'pem' }),
      token_uri: `${service.origin}/token`,
    }),
  );
  const http = openHttpWhile(undefined, { httpProxy: proxy.url, noProxy: [] })({
    baseUrl: service.origin,
    headers: () => ({}),
    secrets: [],
    refusal: () => ({}),
    error: () => new UpstreamError('upstream_failed'),
  });
  onTestFinished(() => http.close());
  const headers = createAccessTokens(file, (text) => text, http);
  expect(await headers(signal())).toMatchObject({ authorization: 'Bearer a-token' });
  expect(proxy.asked).toEqual([`POST ${service.origin}/token`]);
});
