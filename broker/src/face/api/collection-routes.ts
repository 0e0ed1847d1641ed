import { demand } from '@countersign/device-sdk';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Collection } from '../../collection/collection.ts';
import type { Images } from '../../collection/components.ts';
import type { ReleaseOrder } from '../../collection/order.ts';
import { preparedJson } from '../../collection/prepared.ts';
import { BLOB_BYTES_MAX } from '../../store/file-blobs.ts';
import { bytesOf, fieldsOf, flagOf, optionalText, textOf } from './ask.ts';
import * as say from './openapi/release-operations.ts';
import { committedJson } from './views.ts';

/** Images that are received or worked on at once; each may hold 64 MB. */
export const PREPARATIONS_MAX = 2;

const ORDER = ['product', 'version', 'fileName', 'bases', 'mandatory', 'log', 'reboot', 'downgrade'];

/**
 * `POST /api/v1/releases/prepare?product=&version=&fileName=&…` with the image: what the collection server signs. Images
 * of further components follow in the body, and `components=ID:BYTES,…` says which.
 * `POST /api/v1/releases` with a signed `upload`.
 */
export function collectionRoutes(collection: Collection): (app: FastifyInstance) => Promise<void> {
  return async (app) => {
    // Held are the requests whose image is in memory: until the work on it ends, though its sender may be long gone.
    const held = new Set<FastifyRequest>();
    const worked = new Set<FastifyRequest>();
    app.post('/api/v1/releases/prepare', {
      bodyLimit: BLOB_BYTES_MAX,
      schema: say.PREPARE,
      // Before the body: whoever comes too many is told so without sending it.
      onRequest: async (request, reply) => {
        demand(held.size < PREPARATIONS_MAX, 'BUSY', `${held.size} releases are being prepared`);
        held.add(request);
        reply.raw.once('close', () => worked.has(request) || held.delete(request));
      },
      handler: async (request) => {
        worked.add(request);
        try {
          const { components, ...query } = Object(request.query) as Record<string, unknown>;
          const [image, further] = imagesOf(
            bytesOf(request.body, 'the image'),
            optionalText({ components }, 'components'),
          );
          return preparedJson(await collection.prepare(image, orderOf(query), further));
        } finally {
          worked.delete(request);
          held.delete(request);
        }
      },
    });
    app.post('/api/v1/releases', { schema: say.UPLOAD }, async (request) =>
      committedJson(await collection.submitUpload(bytesOf(request.body, 'a signed upload'))),
    );
  };
}

/** `radio:5000,sensor:200`: the body's last bytes are these components' images, in this order, behind the application's. */
function imagesOf(body: Uint8Array, components: string | undefined): [image: Uint8Array, further: Images] {
  if (components === undefined) return [body, {}];
  const sizes = components.split(',').map((text): [string, number] => {
    const [, id, bytes] = /^([a-z][a-z0-9-]{0,15}):([1-9]\d{0,8})$/.exec(text) ?? [];
    demand(id !== undefined, 'BAD_REQUEST', 'components are written id:bytes, separated by commas');
    return [id, Number(bytes)];
  });
  demand(new Set(sizes.map(([id]) => id)).size === sizes.length, 'BAD_REQUEST', 'a component is named twice');
  let at = body.length - sizes.reduce((sum, [, bytes]) => sum + bytes, 0);
  demand(at > 0, 'BAD_REQUEST', 'the body is shorter than the components in it');
  const image = body.subarray(0, at);
  const further = sizes.map(([id, bytes]): [string, Uint8Array] => {
    at += bytes;
    return [id, body.subarray(at - bytes, at)];
  });
  return [image, Object.fromEntries(further)];
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
