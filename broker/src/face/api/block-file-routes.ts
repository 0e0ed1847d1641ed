/** The ledger's own files, for auditors: bytes that prove themselves, so that an audit needs nothing of this server. */
import { createReadStream } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { demand } from '@countersign/device-sdk';
import { hex } from '@countersign/device-sdk/format';
import type { FastifyInstance } from 'fastify';
import { HEAD_FILE } from '../../ledger/embedded/head-file.ts';
import { listSegments, segmentName } from '../../ledger/embedded/segments.ts';
import { COSIGNED_FILE } from '../../ledger/peer/cosigned-file.ts';
import * as say from './openapi/ledger-operations.ts';

/** What an auditor has to fetch, and how much of each file stood when the head was read. */
export interface BlockFiles {
  /** The head file. */
  head: string;
  files: { name: string; bytes: number }[];
  /** The newest head with its cosignatures; absent where there is none. */
  cosigned?: string;
}

/**
 * `GET /api/v1/ledger/files` and `GET /api/v1/ledger/files/:name?bytes=`. The head is read before the sizes: block files
 * only grow, so these bytes hold every block that the head promises.
 * @param folder in which the block files lie
 */
export function blockFileRoutes(folder: string): (app: FastifyInstance) => Promise<void> {
  return async (app) => {
    app.get('/api/v1/ledger/files', { schema: say.FILES }, async (): Promise<BlockFiles> => {
      const cosigned = await readFile(join(folder, COSIGNED_FILE)).catch(() => undefined);
      const head = hex(new Uint8Array(await readFile(join(folder, HEAD_FILE))));
      const names = (await listSegments(folder)).map(segmentName);
      const files = await Promise.all(
        names.map(async (name) => ({ name, bytes: (await stat(join(folder, name))).size })),
      );
      // A file that was just begun holds nothing yet, and nothing can be asked of it.
      const known = cosigned && { cosigned: hex(new Uint8Array(cosigned)) };
      return { head, files: files.filter(({ bytes }) => bytes > 0), ...known };
    });
    app.get<{ Params: { name: string }; Querystring: { bytes?: unknown } }>(
      '/api/v1/ledger/files/:name',
      { schema: say.FILE },
      async ({ params, query }, reply) => {
        const known = (await listSegments(folder)).map(segmentName);
        demand(known.includes(params.name), 'NOT_FOUND', 'the ledger has no such file');
        const path = join(folder, params.name);
        const { size } = await stat(path);
        const bytes = Number(query.bytes ?? size);
        const good = Number.isSafeInteger(bytes) && bytes >= 1 && bytes <= size;
        demand(good, 'BAD_REQUEST', `bytes is 1 to ${size}`);
        reply.header('content-length', bytes).type('application/octet-stream');
        return reply.send(createReadStream(path, { end: bytes - 1 }));
      },
    );
  };
}
