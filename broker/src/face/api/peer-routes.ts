/**
 * For those who keep a copy: whole blocks with the heads, and the way in for cosignatures. An orderer and a peer answer
 * alike, so a peer may be followed, too.
 */
import { demand } from '@countersign/device-sdk';
import { HEAD_BYTES_MAX } from '@countersign/device-sdk/format';
import type { FastifyInstance } from 'fastify';
import { encodeStoredHead } from '../../ledger/embedded/head-file.ts';
import type { Inside } from '../../ledger/embedded/source.ts';
import type { CosignedHeads } from '../../ledger/peer/cosigned-heads.ts';
import { BLOCKS_BYTES_MAX, BLOCKS_MAX, encodeBlocksAnswer } from '../../ledger/peer/messages.ts';
import { bytesOf } from './ask.ts';
import { FOLLOW_SECONDS_MAX } from './ledger-routes.ts';
import * as say from './openapi/ledger-operations.ts';

/**
 * `GET /api/v1/ledger/blocks?from=&count=&mark=&wait=`, `POST /api/v1/ledger/cosignatures`, `GET /api/v1/ledger/quorum`.
 *
 * @example
 * app.register(peerRoutes(ledger.inside, heads));
 */
export function peerRoutes(inside: Inside, heads: CosignedHeads): (app: FastifyInstance) => Promise<void> {
  return async (app) => {
    app.get<{ Querystring: Query }>('/api/v1/ledger/blocks', { schema: say.BLOCKS }, async ({ query }, reply) => {
      const from = numberOf(query.from, 'from');
      const most = numberOf(query.count ?? String(BLOCKS_MAX), 'count', BLOCKS_MAX);
      const mark = numberOf(query.mark ?? '0', 'mark');
      const seconds = numberOf(query.wait ?? '0', 'wait', FOLLOW_SECONDS_MAX);
      const isNew = () => heads.mark !== mark || (most > 0 && inside.standing.point.number > from);
      await heads.until(isNew, seconds * 1000);
      return reply.type('application/cbor').send(Buffer.from(await answer(from, most)));
    });
    app.post(
      '/api/v1/ledger/cosignatures',
      { bodyLimit: HEAD_BYTES_MAX, schema: say.COSIGNATURE },
      async ({ body }) => {
        await heads.add(bytesOf(body, 'a cosignature'));
        return { taken: true };
      },
    );
    app.get('/api/v1/ledger/quorum', { schema: say.QUORUM }, async () => heads.state());
  };

  async function answer(from: number, most: number): Promise<Uint8Array> {
    // Heads first: whatever they speak of is in the blocks, or in the next answer.
    const { mark, wanted, publishedHead: published } = heads;
    const newest = encodeStoredHead(inside.standing.head);
    const { number } = inside.standing.point;
    const blocks: Uint8Array[] = [];
    for (let bytes = 0, at = from; at < number && blocks.length < most && bytes < BLOCKS_BYTES_MAX; at++) {
      const block = await inside.reader.block(at);
      blocks.push(block);
      bytes += block.length;
    }
    return encodeBlocksAnswer({ mark, blocks, newest, wanted, published });
  }
}

type Query = Record<'from' | 'count' | 'mark' | 'wait', string | string[] | undefined>;

function numberOf(value: string | string[] | undefined, name: string, most = Number.MAX_SAFE_INTEGER): number {
  const valid = typeof value === 'string' && /^\d{1,16}$/.test(value) && Number(value) <= most;
  demand(valid, 'BAD_REQUEST', `${name} is missing or out of range`);
  return Number(value);
}
