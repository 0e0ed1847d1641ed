/**
 * A peer as a witness of our log (c2sp.org/tlog-witness). Statuses and bodies are the protocol's, not ours: whoever
 * speaks it knows nothing of refusals in JSON. There is no token: a request is worth what the log's signature in it is.
 */
import { createHash } from 'node:crypto';
import { Refusal } from '@countersign/device-sdk';
import type { FastifyInstance } from 'fastify';
import { ADD_CHECKPOINT_BYTES_MAX, type Witness } from '../../ledger/c2sp/witness.ts';
import * as say from './openapi/log-operations.ts';

/** Where a peer answers; the submission prefix and the monitoring prefix of the protocol. */
export const WITNESS_PREFIX = '/witness';

/**
 * @param origin of the one log that this witness knows
 * @example
 * app.register(witnessRoutes(witness, origin));
 */
export function witnessRoutes(
  witness: Witness,
  origin: string,
  prefix = WITNESS_PREFIX,
): (app: FastifyInstance) => Promise<void> {
  const name = createHash('sha256').update(origin).digest('hex');
  return async (app) => {
    // The protocol names no content type: the body is taken as bytes, whatever the client calls it.
    app.removeAllContentTypeParsers();
    app.addContentTypeParser(
      '*',
      { parseAs: 'buffer', bodyLimit: ADD_CHECKPOINT_BYTES_MAX },
      async (_r: unknown, body: Buffer) => body,
    );
    const config = { public: true };
    const limits = { config, bodyLimit: ADD_CHECKPOINT_BYTES_MAX, schema: say.ADD_CHECKPOINT };
    app.post(`${prefix}/add-checkpoint`, limits, async (request, reply) => {
      const body = request.body instanceof Uint8Array ? new Uint8Array(request.body) : new Uint8Array();
      const answer = await witness.addCheckpoint(body);
      if (answer.status === 503) reply.header('retry-after', '1');
      return reply.code(answer.status).header('content-type', answer.type).send(answer.body);
    });
    app.get<{ Params: { name: string } }>(
      `${prefix}/:name/checkpoint`,
      { config, schema: say.WITNESSED },
      async (request, reply) => {
        const newest = request.params.name === name ? await witness.newest() : undefined;
        if (!newest) throw new Refusal('NOT_FOUND', 'this witness has cosigned no checkpoint of such a log');
        reply.header('cache-control', 'no-cache').type('text/plain; charset=utf-8');
        return reply.send(Buffer.from(newest));
      },
    );
  };
}
