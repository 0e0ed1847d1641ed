import { demand } from '@countersign/device-sdk';
import { HASH_BYTES, hex, readReceipt, rootFromInclusion, type Sha256, unhex } from '@countersign/device-sdk/format';
import type { FastifyInstance } from 'fastify';
import type { LedgerClient } from '../../ledger/client.ts';
import { operation } from './openapi/operation.ts';
import { hexText, list, object, ref, text, whole } from './openapi/schema.ts';
import { headJson } from './views.ts';

const PARAMS = { leaf: text('leaf hash: SHA-256 of a zero byte and the entry, in hex') };
const PROOF = operation({
  ...{ tag: 'Proofs', summary: 'That a leaf is in the ledger' },
  description:
    'RFC 9162 section 2.1.3: `path` leads from the leaf to `head.root`, which `head.signed` and the peers sign. The same as bytes: the receipt (RFC 9942), and the tlog-proof at /log/LEAF.tlog-proof of the ledger server.',
  params: PARAMS,
  answer: object({
    leafHash: hexText(32),
    leafIndex: whole(),
    size: whole('of the tree in which it is proven'),
    path: list(hexText(32), { description: 'from the leaf upwards' }),
    head: ref('Head'),
    receipt: hexText(undefined, 'COSE receipt'),
  }),
});
const RECEIPT = operation({
  ...{ tag: 'Proofs', summary: 'The receipt of a leaf as bytes' },
  params: PARAMS,
  answer: { bytes: 'COSE receipt', types: ['application/cose'] },
});

type Leaf = { Params: { leaf: string } };

/** `GET /proof/:leaf` and `GET /proof/:leaf/receipt`. */
export function proofRoutes(ledger: LedgerClient, sha256: Sha256): (app: FastifyInstance) => Promise<void> {
  return async (app) => {
    app.get<Leaf>('/proof/:leaf', { schema: PROOF }, async ({ params }) => {
      const leafHash = leafOf(params.leaf);
      const { receipt, head } = await ledger.receipt(leafHash);
      const { leafIndex, path } = readReceipt(receipt);
      const { size } = head.head;
      // A ledger elsewhere may answer anything: what does not lead to its own root is no proof.
      const root = rootFromInclusion(sha256, leafIndex, size, leafHash, path);
      demand(hex(root) === hex(head.head.root), 'NO_RECEIPT', 'the proof does not lead to the root of the head');
      return {
        leafHash: hex(leafHash),
        leafIndex,
        size,
        path: path.map(hex),
        head: headJson(head),
        receipt: hex(receipt),
      };
    });
    app.get<Leaf>('/proof/:leaf/receipt', { schema: RECEIPT }, async ({ params }, reply) => {
      const { receipt } = await ledger.receipt(leafOf(params.leaf));
      return reply.type('application/cose').send(Buffer.from(receipt));
    });
  };
}

/** @throws Refusal BAD_REQUEST */
function leafOf(name: string): Uint8Array {
  const leaf = unhex(name);
  demand(leaf?.length === HASH_BYTES, 'BAD_REQUEST', `a leaf is named by ${HASH_BYTES} bytes in hex`);
  return leaf;
}
