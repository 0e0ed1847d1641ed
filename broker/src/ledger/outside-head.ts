import { demand, Refusal, type Verifier } from '@countersign/device-sdk';
import { equal, readHead, type SignedHead } from '@countersign/device-sdk/format';
import { checkSign1, keyFor } from '@countersign/device-sdk/verify';
import { readStoredHead } from './embedded/head-file.ts';
import type { ChainPoint } from './execution.ts';

/** A head that an auditor kept elsewhere. It pins the past: whoever rewrites or cuts the ledger contradicts it. */
export class OutsideHead {
  readonly #signed: SignedHead;
  /** True once the ledger was seen to contain exactly this head. */
  found = false;
  #compared = false;

  /** @param bytes a signed head, or a whole head file. @throws Refusal BAD_HEAD */
  constructor(bytes: Uint8Array) {
    this.#signed = readHead(signedIn(bytes));
  }

  get size(): number {
    return this.#signed.fields.size;
  }

  /**
   * Looks at the chain after a block, once: where it has come to the head's size. Heads exist only after blocks.
   * @throws Refusal SPLIT_VIEW where the ledger at that size is another; BAD_SIGNATURE and codes of the key lookup
   */
  compare(point: ChainPoint, verifier: Verifier): void {
    const { fields, sign1, alg, kid } = this.#signed;
    if (this.#compared || point.frontier.size < fields.size) return;
    this.#compared = true;
    const atBlock = point.frontier.size === fields.size;
    demand(atBlock, 'SPLIT_VIEW', `no block ends with ${fields.size} entries here`);
    const { origin, version } = point.root!;
    const same =
      fields.origin === origin && fields.rootVersion === version && equal(fields.indexRoot, point.index.root());
    demand(same, 'SPLIT_VIEW', 'the head is of another ledger, trust root or class index');
    const key = keyFor(verifier, point.root!, 'log', kid, fields.size);
    try {
      checkSign1(verifier, sign1, alg, key, point.frontier.root(), 'head');
    } catch (cause) {
      throw new Refusal('SPLIT_VIEW', `the head does not sign the ${fields.size} entries that stand here`, { cause });
    }
    this.found = true;
  }
}

function signedIn(bytes: Uint8Array): Uint8Array {
  try {
    readHead(bytes);
    return bytes;
  } catch {
    return readStoredHead(bytes).signed;
  }
}
