import type { FastifyInstance } from 'fastify';
import { ASSUMPTIONS } from './assumptions.ts';
import { isObject } from './body.ts';
import { refusals } from './errors.ts';
import { issueToken, verifyAssertion } from './serviceAccount.ts';
import type { VeoContext } from './veoJob.ts';

/** "Using OAuth 2.0 for Server to Server Applications" (RFC 7523, section 2.1). */
const GRANT_TYPE = 'urn:ietf:params:oauth:grant-type:jwt-bearer';

/** Google's token endpoint, as far as service accounts need it. */
export function tokenRoutes(app: FastifyInstance, context: VeoContext): void {
  app.addContentTypeParser(
    'application/x-www-form-urlencoded',
    { parseAs: 'string' },
    (_request, body, done) => done(null, Object.fromEntries(new URLSearchParams(body.toString()))),
  );

  app.post('/token', { config: { operation: 'token' } }, async (request) => {
    const { grant_type: grantType, assertion } = isObject(request.body) ? request.body : {};
    if (grantType !== GRANT_TYPE || typeof assertion !== 'string') {
      throw refusals.grant('Bad Request: grant_type and assertion are required.');
    }
    const now = context.shared.clock.now();
    const claims = verifyAssertion(assertion);
    if (!claims) throw refusals.grant('Invalid JWT Signature.');
    // A minute of leeway for clocks that differ.
    if (claims.expiresAtMs + 60_000 < Date.now())
      throw refusals.grant('Invalid JWT: Token must be a short-lived token.');
    const account = context.accounts.byKey(claims.email);
    if (!account || account.state === 'revoked') throw refusals.grant('Invalid grant: account not found');
    return {
      access_token: issueToken(claims.email, now + ASSUMPTIONS.tokenLifeMs),
      expires_in: ASSUMPTIONS.tokenLifeMs / 1000,
      token_type: 'Bearer',
    };
  });
}
