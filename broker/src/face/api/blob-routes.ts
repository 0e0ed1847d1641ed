import { demand } from '@countersign/device-sdk';
import { HASH_BYTES, unhex } from '@countersign/device-sdk/format';
import type { FastifyInstance, FastifyReply } from 'fastify';
import type { FileBlobStore } from '../../store/file-blobs.ts';
import * as say from './openapi/content-operations.ts';

/** A name is a digest of what it stands for, so an answer is good for ever, for whoever may ask. */
const FOR_EVER = 'private, max-age=31536000, immutable';

/**
 * Serves a store to other servers: `GET /api/v1/blobs/:digest` and `GET /api/v1/payloads/:head`, the latter as the
 * payload's frames one after another. Who may ask is decided by the application that registers this.
 *
 * @example
 * app.register(blobRoutes(blobs));
 */
export function blobRoutes(store: Pick<FileBlobStore, 'blob' | 'payload'>): (app: FastifyInstance) => Promise<void> {
  return async (app) => {
    app.get<{ Params: { digest: string } }>('/api/v1/blobs/:digest', { schema: say.BLOB }, async (request, reply) =>
      send(reply, await store.blob(readName(request.params.digest))),
    );
    app.get<{ Params: { head: string } }>('/api/v1/payloads/:head', { schema: say.PAYLOAD }, async (request, reply) => {
      const { frames } = await store.payload(readName(request.params.head));
      return send(reply, Buffer.concat(frames));
    });
  };
}

/** @throws Refusal BAD_REQUEST */
function readName(text: string): Uint8Array {
  const name = unhex(text);
  demand(name?.length === HASH_BYTES, 'BAD_REQUEST', `${text.slice(0, 80)} is not a SHA-256 in hex`);
  return name;
}

function send(reply: FastifyReply, bytes: Uint8Array): FastifyReply {
  reply.header('cache-control', FOR_EVER).type('application/octet-stream');
  return reply.send(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length));
}
