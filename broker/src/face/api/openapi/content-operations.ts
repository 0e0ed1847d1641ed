/** Routes that give content by its digest. */
import { operation } from './operation.ts';
import { text } from './schema.ts';

const tag = 'Content';
const BYTES = ['application/octet-stream'] as const;

export const BLOB = operation({
  ...{ tag, summary: 'Content by its digest' },
  params: { digest: text('SHA-256 in hex') },
  answer: { bytes: 'the content', types: BYTES },
});
export const PAYLOAD = operation({
  ...{ tag, summary: "A payload's frames, one after another" },
  params: { head: text('chain head: 32 bytes in hex') },
  answer: { bytes: 'frames', types: BYTES },
});
export const IPFS = operation({
  ...{ tag, summary: 'A block or a CAR by its CID' },
  description: 'IPFS Trustless Gateway. The form is chosen by `format` or by Accept; 406 where neither names one.',
  params: { cid: text() },
  answer: { bytes: 'what the CID names', types: ['application/vnd.ipld.raw', 'application/vnd.ipld.car'] },
});
export const PROBE = operation({
  ...{ tag, summary: 'Whether a gateway is here' },
  answer: { bytes: 'nothing', types: ['application/vnd.ipld.raw'] },
});
