/** Routes that speak of entries, heads and blocks. */
import { operation, STATEMENT_TYPES } from './operation.ts';
import { hexText, list, object, ref, text, whole } from './schema.ts';

const tag = 'Ledger';
const LEAF = { leaf: text('leaf hash: 32 bytes in hex') };
const WAIT = whole('seconds that the server may wait for news', { maximum: 20 });
const CBOR = ['application/cbor'] as const;

export const SUBMIT = operation({
  ...{ tag, summary: 'Submit a signed statement' },
  description: 'A transaction, a report or a rollout statement. Answered when it is on disk.',
  body: { bytes: 'COSE_Sign1', types: STATEMENT_TYPES },
  answer: ref('Committed'),
});
export const TRANSACTION = SUBMIT;
export const QUERY = operation({
  ...{ tag, summary: 'A query of the contract' },
  params: { query: text('such as listReleases; docs/FORMAT.md names them') },
  query: { arg: list(text(), { maxItems: 4, description: 'arguments, in order' }) },
  answer: object({ result: {} }),
});
export const HEAD = operation({ tag, summary: 'The newest head, with its cosignatures', answer: ref('LedgerHead') });
export const NEWEST = operation({ tag, summary: 'The newest head, in short', answer: ref('Head') });
export const RECEIPT = operation({
  ...{ tag, summary: 'The receipt of a leaf under the newest head' },
  params: LEAF,
  answer: object({ receipt: hexText(undefined, 'COSE receipt'), head: ref('LedgerHead') }),
});
export const ANNOUNCEMENT = operation({
  ...{ tag, summary: 'What the announcement of a class needs' },
  params: { classId: text('16 bytes in hex') },
  answer: object({
    receipt: hexText(),
    head: ref('LedgerHead'),
    rollout: hexText(undefined, 'the rollout statement'),
    index: object({
      entry: object({
        classId: hexText(16),
        releaseLeaf: hexText(32),
        sequence: whole(),
        rolloutDigest: hexText(32),
        rolloutSequence: whole(),
        state: whole(),
        floor: whole(),
      }),
      proof: object({ floor: whole(), index: whole(), size: whole(), path: list(hexText(32)) }),
    }),
  }),
});
export const CONSISTENCY = operation({
  ...{ tag, summary: 'That one head continues another', description: 'RFC 9162 section 2.1.4.' },
  query: { from: whole('entries of the earlier head'), to: whole('entries of the later head') },
  needed: ['from', 'to'],
  answer: object({ path: list(hexText(32)) }),
});
export const ENTRIES = operation({
  ...{ tag, summary: 'Entries by position' },
  query: { from: whole('of the first'), count: whole('at most', { maximum: 1_000 }) },
  needed: ['from', 'count'],
  answer: object({ entries: list(hexText()) }),
});
export const ENTRY = operation({
  ...{ tag, summary: 'One entry by its leaf hash' },
  params: LEAF,
  answer: object({ entry: hexText() }),
});
export const NAMED_ENTRY = operation({
  ...{ tag, summary: 'One entry by its leaf hash' },
  params: { name: text('32 bytes in hex') },
  answer: object({ entry: hexText() }),
});
export const ROOTS = operation({
  ...{ tag, summary: 'Signed trust roots from a version on' },
  query: { from: whole('version') },
  needed: ['from'],
  answer: object({ roots: list(hexText()) }),
});
export const TRUST_ROOTS = operation({
  ...{ tag, summary: 'All signed trust roots', answer: object({ roots: list(hexText()) }) },
});
export const FOLLOW = operation({
  ...{ tag, summary: 'Entries from a position on, waited for' },
  query: { from: whole('position'), wait: WAIT },
  needed: ['from'],
  answer: object({
    events: list(
      object({ leafIndex: whole(), leafHash: hexText(32), bytes: hexText(), blockNumber: whole(), time: whole() }),
    ),
  }),
});
export const HISTORY = operation({
  ...{ tag, summary: 'All that ever happened to something, the newest first' },
  params: { name: text('a person, a product, PRODUCT@VERSION, or an id from its first 8 digits on') },
  answer: list(ref('HistoryItem')),
});
export const PREVIOUS = operation({
  ...{ tag, summary: 'What the next transaction on an object must name' },
  params: { name: text('object digest: 32 bytes in hex') },
  answer: object({ previous: hexText(32) }),
});
export const BLOCKS = operation({
  ...{ tag, summary: 'Whole blocks and heads, for peers' },
  query: { from: whole('block number'), count: whole('at most'), mark: whole('of the last answer'), wait: WAIT },
  needed: ['from'],
  answer: { bytes: 'blocks and heads, CBOR', types: CBOR },
});
export const COSIGNATURE = operation({
  ...{ tag, summary: "Hand in a peer's cosignature" },
  body: { bytes: 'cosignature, CBOR', types: STATEMENT_TYPES },
  answer: object({ taken: { type: 'boolean' } }),
});
export const QUORUM = operation({ tag, summary: 'Who has cosigned what', answer: ref('Quorum') });
export const PEER = operation({ tag, summary: 'How this peer stands', answer: ref('Peer') });
export const FILES = operation({ tag, summary: "The ledger's files", answer: ref('BlockFiles') });
export const FILE = operation({
  ...{ tag, summary: "One of the ledger's files" },
  params: { name: text() },
  query: { bytes: text('how many from its beginning; all where absent') },
  answer: { bytes: 'blocks', types: ['application/octet-stream'] },
});

export const ENDPOINTS = operation({ tag: 'Server', summary: 'Where the other servers are', answer: ref('Endpoints') });
