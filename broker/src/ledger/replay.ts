/**
 * (state, block) to state or Refusal: the one path of recovery, rebuild and audit; the writer's own blocks come out of
 * the same execution. A block is taken only when it says exactly what executing it gives.
 */
import { demand, Refusal, type Verifier } from '@countersign/device-sdk';
import { equal } from '@countersign/device-sdk/format';
import { isRoot } from './contract/entry.ts';
import { type ChainPoint, Execution, type Sealed } from './execution.ts';
import type { KeyValues } from './key-values.ts';
import { type Block, type BlockHeader, checkBlockSignatures, dataHash, encodeBlock } from './log/block.ts';

export interface Replayed {
  sealed: Sealed;
  next: ChainPoint;
}

/** An entry inside a block that the contract refuses: its position, beside the reason. */
export class EntryRefusal extends Refusal {
  /** Position in the block's transactions. */
  readonly transaction: number;
  constructor(block: number, transaction: number, cause: unknown) {
    const [code, text] = cause instanceof Refusal ? [cause.code, cause.message] : ['INTERNAL', String(cause)];
    super('BAD_BLOCK', `block ${block}, transaction ${transaction}: ${code}, ${text}`, { cause });
    this.transaction = transaction;
  }
}

/**
 * Checks a block against the chain before it and executes it. Nothing is changed: the caller applies `sealed.writes`.
 * @throws Refusal BAD_BLOCK, BAD_HEAD, BAD_SIGNATURE and other codes of the block's two signatures
 */
export async function replay(
  point: ChainPoint,
  values: KeyValues,
  block: Block,
  verifier: Verifier,
): Promise<Replayed> {
  checkFollows(point, block, verifier);
  const size = point.frontier.size;
  // A forged block is not even executed. In block 0, and in the block of a new trust root, the keys are known only after
  // the first entry, which bears signatures of its own; a new root is the only entry of its block.
  const own = point.root === undefined || isRoot(block.transactions[0]!);
  if (own && point.root) demand(block.transactions.length === 1, 'BAD_BLOCK', 'a trust root stands alone in its block');
  if (!own) checkBlockSignatures(verifier, point.root!, block, size);
  const sealed = await execute(point, values, block, verifier);
  const next = sealed.next(verifier.sha256(block.bytes));
  checkSays(block.header, sealed.header);
  if (own) checkBlockSignatures(verifier, sealed.root, block, size);
  return { sealed, next };
}

/**
 * Whether the bytes are what the block's header speaks of. The orderer signs the header alone: in a block that fails
 * here, what stands beside it may be anybody's.
 * @throws Refusal BAD_BLOCK
 */
export function checkWhole(block: Block, verifier: Verifier): void {
  const { header, transactions } = block;
  const again = encodeBlock(header, transactions, block.ordererSignature, block.head);
  demand(equal(again, block.bytes), 'BAD_BLOCK', 'the block is not in its canonical form');
  const same = equal(dataHash(verifier.sha256, transactions), header.dataHash);
  demand(same, 'BAD_BLOCK', `the transactions of block ${header.number} are not those of its header`);
}

function checkFollows(point: ChainPoint, block: Block, verifier: Verifier): void {
  checkWhole(block, verifier);
  const { header } = block;
  demand(header.number === point.number, 'BAD_BLOCK', `expected block ${point.number}, got ${header.number}`);
  const follows = equal(header.previousHash, point.previousHash);
  demand(follows, 'BAD_BLOCK', `block ${header.number} does not name the block before it`);
  demand(header.time >= point.time, 'BAD_BLOCK', `block ${header.number} is older than the one before it`);
}

async function execute(point: ChainPoint, values: KeyValues, block: Block, verifier: Verifier): Promise<Sealed> {
  const execution = new Execution(point, values, verifier, block.header.time);
  for (const [i, bytes] of block.transactions.entries()) {
    try {
      await execution.add(bytes);
    } catch (error) {
      throw new EntryRefusal(block.header.number, i, error);
    }
  }
  return execution.seal();
}

/** What the header says of tree, index and state must be what came out. */
function checkSays(said: BlockHeader, found: BlockHeader): void {
  const check = (holds: boolean, what: string) =>
    demand(holds, 'BAD_BLOCK', `block ${said.number}: ${what} is not what its transactions give`);
  check(said.origin === found.origin, 'the origin');
  check(said.rootVersion === found.rootVersion, 'the trust root version');
  check(said.treeSize === found.treeSize, 'the tree size');
  check(equal(said.root, found.root), 'the Merkle root');
  check(equal(said.indexRoot, found.indexRoot), 'the index root');
  check(equal(said.writesHash, found.writesHash), 'the hash of the state writes');
}
