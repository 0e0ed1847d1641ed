import { operation, STATEMENT_TYPES } from './operation.ts';
import { list, oneOf, ref, text } from './schema.ts';

const tag = 'Releases';
const NAME = { name: text('leaf hash, its first 8 digits or more, or PRODUCT@VERSION') };
const FLAG = oneOf('true', 'false');
const WORD = text(undefined, { minLength: 1, maxLength: 512 });

export const PRODUCTS = operation({ tag, summary: 'All products', answer: list(ref('Product')) });
export const PRODUCT = operation({
  ...{ tag, summary: 'One product' },
  params: { name: text('name or class id') },
  answer: ref('Product'),
});
export const RELEASES = operation({
  ...{ tag, summary: 'All releases' },
  query: { product: { ...WORD, description: 'of this product alone' } },
  answer: list(ref('Release')),
});
export const RELEASE = operation({ tag, summary: 'One release', params: NAME, answer: ref('Release') });
export const TRIAL = operation({
  ...{ tag, summary: 'The newest trial record of a release' },
  params: NAME,
  answer: ref('Trial'),
});
export const PREPARE = operation({
  ...{ tag, summary: 'Prepare a release of an image' },
  description:
    'Makes the deltas, tries each under power cuts, and signs once. What comes back is checked and signed by an engineer, and handed in at /api/v1/releases.',
  query: {
    product: WORD,
    version: WORD,
    fileName: WORD,
    bases: { ...WORD, description: 'versions that get a delta, separated by commas; chosen where absent' },
    mandatory: FLAG,
    log: FLAG,
    reboot: FLAG,
    downgrade: FLAG,
    components: { ...WORD, description: 'ID:BYTES,…: images at the end of the body' },
  },
  needed: ['product', 'version', 'fileName'],
  body: { bytes: 'the image', types: ['application/octet-stream'] },
  answer: ref('Prepared'),
});
export const UPLOAD = operation({
  ...{ tag, summary: 'Hand in a release that an engineer signed' },
  body: { bytes: 'COSE_Sign1', types: STATEMENT_TYPES },
  answer: ref('Committed'),
});
export const BUNDLE = operation({
  ...{ tag, summary: 'What a bundle for a device without network begins with' },
  query: {
    release: { ...WORD, description: NAME.name.description },
    from: { ...WORD, description: 'the release that the device runs' },
    full: FLAG,
  },
  needed: ['release'],
  answer: { bytes: 'head of a bundle, CBOR', types: ['application/cbor'] },
});
export const PROVISION = operation({
  ...{ tag, summary: 'What a device leaves the factory with' },
  description: 'Digest, size, class and sequence of the image are in the headers x-image-sha256 to x-sequence.',
  params: { product: text(), version: text() },
  answer: { bytes: 'provisioning record, CBOR', types: ['application/cbor'] },
});
