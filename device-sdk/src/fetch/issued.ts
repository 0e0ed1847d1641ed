/**
 * Implicit keys are believed when the ledger has their `issueKey`: a key generation centre that issues in secret makes keys
 * that no device takes. The distribution server brings entry and receipt; the device knows nobody else.
 */
import { demand } from '../errors.ts';
import { equal } from '../format/bytes.ts';
import { isImplicit, thumbprint } from '../format/cose.ts';
import { type Head, readReceipt } from '../format/head.ts';
import { leafHash } from '../format/merkle.ts';
import { CONSISTENCY, ISSUED } from '../format/requests.ts';
import type { Verifier } from '../ports.ts';
import { checkGrowth, verifyReceipt } from '../verify/head.ts';
import { keyFor } from '../verify/root.ts';
import type { Proven, Trust } from '../verify/types.ts';
import type { Asker } from './asker.ts';

/** An entry is a key, a proof of possession and a person's signature: half a kilobyte. */
export const ISSUED_BYTES_MAX = 1024;

export class IssuedKeys {
  /** Thumbprints that were proven since this device started; a trust root has few. */
  readonly #known: Uint8Array[] = [];

  /**
   * Whether both signers' keys are on the record, in the history that the announcement is of.
   * @throws Refusal NO_RECEIPT, SPLIT_VIEW; REVOKED where the centre was, before the entry; NOT_FOUND where the server has no such entry; LINK_LOST
   */
  async prove(asker: Asker, verifier: Verifier, trust: Trust, proven: Proven): Promise<void> {
    const { block1, block2 } = proven.envelope;
    for (const [role, { kid }] of [['collection', block1] as const, ['distribution', block2] as const]) {
      // Revocation was looked at where the signature was.
      const key = keyFor(verifier, trust.root, role, kid, 0);
      const print = thumbprint(verifier.sha256, key);
      if (!isImplicit(key) || this.#known.some((known) => equal(known, print))) continue;
      const head = await entryOf(asker, verifier, trust, print);
      await checkOneHistory(asker, verifier, head, proven.head);
      this.#known.push(print);
    }
  }
}

/** @returns the head in which the entry is */
async function entryOf(asker: Asker, verifier: Verifier, trust: Trust, print: Uint8Array): Promise<Head> {
  const answer = await asker.ask({ kind: ISSUED, thumbprint: print });
  demand(answer.kind === ISSUED, 'MALFORMED', 'another answer');
  demand(answer.entry.length <= ISSUED_BYTES_MAX, 'TOO_LARGE', `an entry of ${answer.entry.length} bytes`);
  const receipt = readReceipt(answer.receipt);
  const is = verifier.implicit?.isIssue(answer.entry, print, trust.root, receipt.leafIndex);
  demand(is, 'NO_RECEIPT', 'the entry is not the issueKey of this key');
  return verifyReceipt(verifier, trust.root, receipt, leafHash(verifier.sha256, answer.entry));
}

async function checkOneHistory(asker: Asker, verifier: Verifier, a: Head, b: Head): Promise<void> {
  if (a.size === b.size) return demand(equal(a.root, b.root), 'SPLIT_VIEW', 'two heads of one size');
  const [from, to] = a.size < b.size ? [a, b] : [b, a];
  const answer = await asker.ask({ kind: CONSISTENCY, from: from.size, to: to.size });
  demand(answer.kind === CONSISTENCY, 'MALFORMED', 'another answer');
  checkGrowth(verifier, from, to, answer.path);
}
