/** `/openapi.json`, the page at `/docs` and the refusals at `/docs/refusals`: the same on every install, so for everybody. */
import { readFile } from 'node:fs/promises';
import type { FastifyInstance, RouteOptions } from 'fastify';
import { operation } from './operation.ts';

/** Where a refusal's `type` points. */
export const REFUSALS_PATH = '/docs/refusals';
const HTML = { bytes: 'a page without scripts', types: ['text/html'] } as const;
/** Nothing is fetched and nothing runs: the page is one file with its styles in it. */
const PAGE_POLICY =
  "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

/** Collects what is registered from now on, and shows it. Document and pages are made when they are first asked for. */
export function showRoutes(app: FastifyInstance, server: string): void {
  const routes: RouteOptions[] = [];
  app.addHook('onRoute', (route) => void routes.push(route));
  let made: Promise<{ json: string; page: string; refusals: string }> | undefined;
  const pages = () => {
    made ??= makePages(routes, server);
    return made;
  };
  const config = { public: true };
  const tag = 'Server';
  const document = operation({ tag, summary: 'This API as OpenAPI 3.1', answer: { type: 'object' } });
  app.get('/openapi.json', { config, schema: document }, async (_request, reply) =>
    reply.type('application/json').send((await pages()).json),
  );
  const page = operation({ tag, summary: 'This API as a page', answer: HTML });
  app.get('/docs', { config, schema: page }, async (_request, reply) =>
    reply
      .type('text/html; charset=utf-8')
      .header('content-security-policy', PAGE_POLICY)
      .send((await pages()).page),
  );
  const refusals = operation({ tag, summary: 'What each refusal code means', answer: HTML });
  app.get(REFUSALS_PATH, { config, schema: refusals }, async (_request, reply) =>
    reply
      .type('text/html; charset=utf-8')
      .header('content-security-policy', PAGE_POLICY)
      .send((await pages()).refusals),
  );
}

async function makePages(routes: readonly RouteOptions[], server: string) {
  const { documentOf } = await import('./document.ts');
  const { documentPage, refusalsPage } = await import('./page.ts');
  const { version } = JSON.parse(await readFile(new URL('../../../../package.json', import.meta.url), 'utf8'));
  const document = documentOf(routes, server, version);
  return { json: JSON.stringify(document), page: documentPage(document), refusals: refusalsPage() };
}
