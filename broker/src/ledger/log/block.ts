/**
 * A block: CBOR [header, [transactions], [orderer signature, head]], the three parts of a Fabric block. The header
 * names the block before it, the transactions, and everything that follows from executing them; the orderer signs the
 * header, and the head is the log's signature over what the header says of the tree.
 */
import { demand, type Verifier } from '@countersign/device-sdk';
import {
  ALG_ESP256,
  asArray,
  asBytes,
  asText,
  asUint,
  decode,
  decodeSign1,
  encode,
  encodeSign1,
  equal,
  HASH_BYTES,
  HEADER_ALG,
  HEADER_KID,
  HEADER_TYP,
  type Head,
  isLowS,
  kidOf,
  makeSign1,
  publicKeyOf,
  readHead,
  readSigned,
  type Sha256,
  type Signer,
  type TrustRoot,
  toBeSigned,
  utf8,
  type Value,
} from '@countersign/device-sdk/format';
import { checkSign1, keyFor } from '@countersign/device-sdk/verify';

export const BLOCK_VERSION = 1;
/** Largest stored block: the entries of {@link BLOCK_BYTES_MAX} and one more of the largest size, with room to spare. */
export const STORED_BLOCK_BYTES_MAX = 2 * 1024 * 1024;
export const BLOCK_ENTRIES_MAX = 512;

/** The orderer's signature is no statement of the closed list: no other slot can take it, and it takes no other. */
const BLOCK_TYP = 'application/countersign-block';
const BLOCK_AAD = utf8('countersign/v1/block');

export interface BlockHeader {
  origin: string;
  /** From 0. */
  number: number;
  /** SHA-256 of the whole previous block as stored, 32 zero bytes in block 0. */
  previousHash: Uint8Array;
  /** SHA-256 of the encoded array of transactions. */
  dataHash: Uint8Array;
  /** Seconds since the epoch, never earlier than the block before. */
  time: number;
  /** Reserved, 0: refused transactions are answered and not stored, so every one in a block is valid. */
  flags: number;
  /** Leaves after this block, release leaves included. */
  treeSize: number;
  root: Uint8Array;
  indexRoot: Uint8Array;
  /** SHA-256 of CBOR [[key, value or null] …] of this block's state writes, sorted by key bytes. */
  writesHash: Uint8Array;
  rootVersion: number;
}

export interface Block {
  header: BlockHeader;
  headerBytes: Uint8Array;
  transactions: Uint8Array[];
  ordererSignature: Uint8Array;
  /** The signed head, COSE_Sign1 with detached root. */
  head: Uint8Array;
  /** The whole block as stored. */
  bytes: Uint8Array;
}

export function encodeHeader(h: BlockHeader): Uint8Array {
  return encode(headerValue(h));
}

function headerValue(h: BlockHeader): Value {
  return [
    BLOCK_VERSION,
    h.origin,
    h.number,
    h.previousHash,
    h.dataHash,
    h.time,
    h.flags,
    h.treeSize,
    h.root,
    h.indexRoot,
    h.writesHash,
    h.rootVersion,
  ];
}

export function dataHash(sha256: Sha256, transactions: readonly Uint8Array[]): Uint8Array {
  return sha256(encode([...transactions]));
}

/** What the log signs for this block. */
export function headOf(h: BlockHeader): Head {
  const { origin, treeSize, root, indexRoot, time, rootVersion } = h;
  return { origin, size: treeSize, root, indexRoot, time, rootVersion };
}

export async function signHeader(sha256: Sha256, header: Uint8Array, signer: Signer): Promise<Uint8Array> {
  const protectedMap = new Map<number, Value>([
    [HEADER_ALG, signer.alg],
    [HEADER_KID, kidOf(sha256, publicKeyOf(signer))],
    [HEADER_TYP, BLOCK_TYP],
  ]);
  return encodeSign1(await makeSign1(signer, protectedMap, header, { externalAad: BLOCK_AAD, detached: true }));
}

export function encodeBlock(
  header: BlockHeader,
  transactions: readonly Uint8Array[],
  ordererSignature: Uint8Array,
  head: Uint8Array,
): Uint8Array {
  return encode([headerValue(header), [...transactions], [ordererSignature, head]]);
}

/** Reads the shape; nothing is checked beyond it. @throws Refusal MALFORMED, TOO_LARGE, UNSUPPORTED */
export function readBlock(bytes: Uint8Array): Block {
  demand(bytes.length <= STORED_BLOCK_BYTES_MAX, 'TOO_LARGE', `the block has ${bytes.length} bytes`);
  const [headerItem, list, signatures] = asArray(decode(bytes), 'block', 3);
  const transactions = asArray(list, 'transactions').map((item) => asBytes(item, 'transaction'));
  const count = transactions.length;
  demand(count >= 1 && count <= BLOCK_ENTRIES_MAX, 'MALFORMED', `${count} transactions in a block`);
  const [ordererSignature, head] = asArray(signatures, 'block signatures', 2);
  const header = readHeader(headerItem!);
  return {
    header,
    headerBytes: encodeHeader(header),
    transactions,
    ordererSignature: asBytes(ordererSignature, 'orderer signature'),
    head: asBytes(head, 'head'),
    bytes,
  };
}

function readHeader(value: Value): BlockHeader {
  const items = asArray(value, 'block header', 12);
  demand(items[0] === BLOCK_VERSION, 'UNSUPPORTED', `block version ${String(items[0])}`);
  return {
    origin: asText(items[1], 'origin'),
    number: asUint(items[2], 'block number'),
    previousHash: asBytes(items[3], 'previous hash', HASH_BYTES),
    dataHash: asBytes(items[4], 'data hash', HASH_BYTES),
    time: asUint(items[5], 'block time'),
    flags: asUint(items[6], 'flags', 0),
    treeSize: asUint(items[7], 'tree size'),
    root: asBytes(items[8], 'root', HASH_BYTES),
    indexRoot: asBytes(items[9], 'index root', HASH_BYTES),
    writesHash: asBytes(items[10], 'state-writes hash', HASH_BYTES),
    rootVersion: asUint(items[11], 'trust root version'),
  };
}

/**
 * Checks the two signatures of a block: the orderer's over the header, the log's over the head that follows from it.
 * @param size leaves before the block: where its signatures stand, should a key have been revoked
 * @throws Refusal MALFORMED, WRONG_TYPE, UNKNOWN_KEY, WRONG_ROLE, REVOKED, BAD_SIGNATURE, BAD_HEAD
 */
export function checkBlockSignatures(verifier: Verifier, root: TrustRoot, block: Block, size: number): void {
  checkOrderer(verifier, root, block, size);
  checkHead(verifier, root, block.head, headOf(block.header), size);
}

function checkOrderer(verifier: Verifier, root: TrustRoot, block: Block, size: number): void {
  const sign1 = decodeSign1(block.ordererSignature);
  const { alg, kid } = readSigned(sign1, [HEADER_ALG, HEADER_KID, HEADER_TYP], 'block');
  demand(sign1.protected.get(HEADER_TYP) === BLOCK_TYP, 'WRONG_TYPE', `expected ${BLOCK_TYP}`);
  const bare = sign1.unprotected.size === 0 && sign1.payload === null;
  demand(bare, 'MALFORMED', 'orderer signature: header or payload out of place');
  const key = keyFor(verifier, root, 'orderer', kid, size);
  demand(alg === key.alg, 'BAD_SIGNATURE', `block: algorithm ${alg} is not the key's`);
  demandOneForm(alg, sign1.signature, 'block');
  const message = toBeSigned(sign1.protectedBytes, BLOCK_AAD, block.headerBytes);
  const valid = verifier.verify(alg, key.bytes, message, sign1.signature);
  demand(valid, 'BAD_SIGNATURE', 'the orderer did not sign this block header');
}

/** Checks that a signed head says exactly `head` and that the log's key signed it. */
export function checkHead(verifier: Verifier, root: TrustRoot, signed: Uint8Array, head: Head, size: number): void {
  const read = readHead(signed);
  const { origin, indexRoot, time, rootVersion } = head;
  const expected = encode([origin, head.size, indexRoot, time, rootVersion]);
  const { fields } = read;
  const found = encode([fields.origin, fields.size, fields.indexRoot, fields.time, fields.rootVersion]);
  demand(equal(found, expected), 'BAD_HEAD', `the head says another tree, time or ledger than its block`);
  const key = keyFor(verifier, root, 'log', read.kid, size);
  demandOneForm(read.alg, read.sign1.signature, 'head');
  checkSign1(verifier, read.sign1, read.alg, key, head.root, 'head');
}

/**
 * The next block names this one by the hash of all its bytes. With both forms of an ECDSA signature whoever carries a block
 * could hand a peer other bytes of it, and the orderer's next honest block would look to that peer like a fork.
 */
function demandOneForm(alg: number, signature: Uint8Array, what: string): void {
  const one = alg !== ALG_ESP256 || isLowS(signature);
  demand(one, 'BAD_SIGNATURE', `${what}: of the two forms of this signature the other one is valid`);
}
