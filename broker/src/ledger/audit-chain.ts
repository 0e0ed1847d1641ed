/**
 * The release chains, checked by a second hand: not by the contract's rules but by what stands in the leaves. Each
 * confirmed release names the one before it, and its sequence is one more.
 */
import { equal, hex, leafIsOf, NO_LEAF, readBlock1, readManifest, type Sha256 } from '@countersign/device-sdk/format';
import { fromHex, parse } from './contract/state.ts';
import type { Leaf, Sealed } from './execution.ts';
import type { KeyValues } from './key-values.ts';
import { compositeKey } from './transaction-stub.ts';

interface ChainHead {
  leaf: Uint8Array;
  sequence: number;
}

export class ChainCheck {
  readonly #sha256: Sha256;
  readonly #heads = new Map<string, ChainHead>();

  constructor(sha256: Sha256) {
    this.#sha256 = sha256;
  }

  /** Takes the release leaves of a block. @returns what is wrong with them */
  take(sealed: Sealed, values: KeyValues): { where: string; text: string }[] {
    return sealed.leaves.flatMap((leaf, i) => {
      const text = leaf.transaction === undefined ? this.#takeRelease(leaf, values) : undefined;
      return text === undefined ? [] : [{ where: `leaf ${sealed.firstLeaf + i}, block ${sealed.header.number}`, text }];
    });
  }

  #takeRelease({ hash }: Leaf, values: KeyValues): string | undefined {
    const state = values.get(compositeKey('manifest', [hex(hash)]));
    if (!state) return 'a release leaf without a manifest';
    const parts = parse<'manifest'>(state);
    const [block1, bytes] = [readBlock1(fromHex(parts.block1)), fromHex(parts.manifest)];
    if (!leafIsOf(this.#sha256, block1, bytes)) return 'a release leaf that signs another manifest';
    const { classId, sequence } = readManifest(bytes);
    const name = hex(classId);
    const before = this.#heads.get(name) ?? { leaf: NO_LEAF, sequence: 0 };
    this.#heads.set(name, { leaf: hash, sequence });
    if (!equal(block1.previousLeaf, before.leaf)) return `release ${sequence} does not name the release before it`;
    return sequence === before.sequence + 1 ? undefined : `sequence ${sequence} follows ${before.sequence}`;
  }
}
