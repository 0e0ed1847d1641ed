import { demand } from '@countersign/device-sdk';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Collection } from '../../collection/collection.ts';
import type { ReleaseOrder } from '../../collection/order.ts';
import { preparedJson } from '../../collection/prepared.ts';
import { BLOB_BYTES_MAX } from '../../store/file-blobs.ts';
import { bytesOf, fieldsOf, flagOf, optionalText, textOf } from './ask.ts';
import { committedJson } from './views.ts';

/** Images that are received or worked on at once; each may hold 64 MB. */
export const PREPARATIONS_MAX = 2;

const ORDER = ['product', 'version', 'fileName', 'bases', 'mandatory', 'log', 'reboot', 'downgrade'];

/**
 * `POST /api/v1/releases/prepare?product=&version=&fileName=&…` with the image: what the collection server signs.
 * `POST /api/v1/releases` with a signed `upload`.
 */
export function collectionRoutes(collection: Collection): (app: FastifyInstance) => Promise<void> {
  return async (app) => {
    // Held are the requests whose image is in memory: until the work on it ends, though its sender may be long gone.
    const held = new Set<FastifyRequest>();
    const worked = new Set<FastifyRequest>();
    app.post('/api/v1/releases/prepare', {
      bodyLimit: BLOB_BYTES_MAX,
      // Before the body: whoever comes too many is told so without sending it.
      onRequest: async (request, reply) => {
        demand(held.size < PREPARATIONS_MAX, 'BUSY', `${held.size} releases are being prepared`);
        held.add(request);
        reply.raw.once('close', () => worked.has(request) || held.delete(request));
      },
      handler: async (request) => {
        worked.add(request);
        try {
          const image = bytesOf(request.body, 'the image');
          return preparedJson(await collection.prepare(image, orderOf(request.query)));
        } finally {
          worked.delete(request);
          held.delete(request);
        }
      },
    });
    app.post('/api/v1/releases', async (request) =>
      committedJson(await collection.submitUpload(bytesOf(request.body, 'a signed upload'))),
    );
  };
}

function orderOf(query: unknown): ReleaseOrder {
  const fields = fieldsOf(query, 'the query', ORDER);
  const bases = optionalText(fields, 'bases');
  return {
    product: textOf(fields, 'product'),
    version: textOf(fields, 'version'),
    fileName: textOf(fields, 'fileName'),
    policy: {
      mandatory: flagOf(fields, 'mandatory', true),
      log: flagOf(fields, 'log', true),
      reboot: flagOf(fields, 'reboot', true),
      downgrade: flagOf(fields, 'downgrade', false),
    },
    ...(bases === undefined ? {} : { bases: bases.split(',') }),
  };
}
