/** The cosigned head beside the block files: it pins the ledger like a head from outside, and says who vouched for it. */
import { demand, Refusal, type Verifier } from '@countersign/device-sdk';
import { equal, type Head, kidOf, readHead, revokedFrom } from '@countersign/device-sdk/format';
import { cosignedBytes } from '@countersign/device-sdk/verify';
import type { ChainPoint } from './execution.ts';
import { OutsideHead } from './outside-head.ts';
import { type CosignedHead, readCosignedHead } from './peer/messages.ts';

export class CosignedCheck {
  readonly #cosigned: CosignedHead;
  readonly #pin: OutsideHead;
  #counted = false;
  /** Distinct peers of the trust root whose signature over this head holds. */
  signatures = 0;

  /** @param bytes of the file. @throws Refusal MALFORMED, UNSUPPORTED, BAD_HEAD */
  constructor(bytes: Uint8Array) {
    this.#cosigned = readCosignedHead(bytes);
    this.#pin = new OutsideHead(this.#cosigned.signed);
  }

  /** Looks at the chain after a block. @throws Refusal SPLIT_VIEW, NO_QUORUM and codes of the head's signature */
  compare(point: ChainPoint, verifier: Verifier): void {
    this.#pin.compare(point, verifier);
    if (!this.#pin.found || this.#counted) return;
    this.#counted = true;
    const { root } = this.#cosigned;
    demand(equal(root, point.frontier.root()), 'BAD_HEAD', 'the root beside the cosigned head is another');
    this.signatures = countCosignatures(
      verifier,
      point,
      { ...readHead(this.#cosigned.signed).fields, root },
      this.#cosigned,
    );
    const { threshold } = point.root!.roles.peer;
    demand(
      this.signatures >= threshold,
      'NO_QUORUM',
      `${this.signatures} of ${threshold} peers cosigned the kept head`,
    );
  }

  /** @throws Refusal TORN where the ledger ends before the head that the peers signed */
  checkReached(size: number): void {
    const text = `peers have cosigned ${this.#pin.size} entries, here are ${size}`;
    if (!this.#counted && this.#pin.size > size) throw new Refusal('TORN', text);
  }
}

function countCosignatures(
  verifier: Verifier,
  { root }: ChainPoint,
  head: Head,
  { cosignatures }: CosignedHead,
): number {
  const { sha256 } = verifier;
  return root!.roles.peer.keys.filter((key) => {
    if (revokedFrom(sha256, root!, key) !== undefined) return false;
    const kid = kidOf(sha256, key);
    const own = cosignatures.filter((item) => item.alg === key.alg && equal(item.kid, kid));
    return own.some((item) => verifier.verify(key.alg, key.bytes, cosignedBytes(head, item), item.signature));
  }).length;
}
