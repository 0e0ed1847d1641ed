import type { FastifyInstance } from 'fastify';
import type { FigureSource } from '../metrics/figures.ts';
import { operation } from './openapi/operation.ts';

const SCHEMA = operation({
  ...{ tag: 'Server', summary: 'Figures for Prometheus' },
  description:
    'Queues, refusals by code, rollouts, ledger, peers, content, sessions, process. No figure names a device.',
  answer: { bytes: 'text format of Prometheus', types: ['text/plain'] },
});

/** `GET /metrics`. */
export function metricsRoutes(sources: readonly FigureSource[]): (app: FastifyInstance) => Promise<void> {
  return async (app) => {
    app.get('/metrics', { schema: SCHEMA }, async (_request, reply) => {
      const { expose } = await import('../metrics/exposition.ts');
      const { contentType, text } = await expose(sources);
      return reply.type(contentType).send(text);
    });
  };
}
