/** Routes that outside protocols specify, bodies and statuses included: c2sp.org/tlog-tiles, tlog-proof, tlog-witness. */
import { operation } from './operation.ts';
import { text } from './schema.ts';

const NOTE = { bytes: 'a signed note', types: ['text/plain'] } as const;
const FILE = ['application/octet-stream'] as const;

export const CHECKPOINT = operation({ tag: 'Log', summary: 'The newest checkpoint', answer: NOTE });
export const HASHES = operation({
  ...{ tag: 'Log', summary: 'A tile of hashes' },
  params: { '*': text('LEVEL/INDEX, with .p/WIDTH where it is not full') },
  answer: { bytes: 'hashes, 32 bytes each', types: FILE },
});
export const BUNDLE = operation({
  ...{ tag: 'Log', summary: 'A bundle of entries' },
  params: { '*': text('INDEX, with .p/WIDTH where it is not full') },
  answer: { bytes: 'entries, each with its length before it', types: FILE },
});
export const PROOF_FILE = operation({
  ...{ tag: 'Proofs', summary: 'The inclusion of a leaf as a tlog-proof' },
  params: { file: text('LEAF.tlog-proof') },
  answer: { bytes: 'index, path and checkpoint as text', types: ['text/plain'] },
});
export const ADD_CHECKPOINT = operation({
  ...{ tag: 'Witness', summary: 'Ask this witness to cosign a checkpoint' },
  description:
    'Statuses and bodies are the protocol’s own: 409 with the size that is known, 422 where the proof fails.',
  body: { bytes: 'old size, proof and checkpoint', types: ['text/plain', 'application/octet-stream'] },
  answer: { bytes: 'cosignatures, a line each', types: ['text/plain'] },
});
export const WITNESSED = operation({
  ...{ tag: 'Witness', summary: 'The newest checkpoint that this witness cosigned' },
  params: { name: text('SHA-256 of the origin of the log, in hex') },
  answer: NOTE,
});
