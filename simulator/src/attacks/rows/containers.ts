/** What the rows of payloads begin with: two images, the containers between them, and their headers rewritten. */
import { makeDelta, makeFull } from '@countersign/broker/delta/index';
import type { Code } from '@countersign/device-sdk';
import type { Variant } from '../attack.ts';
import type { PublishOptions } from '../pocket/release.ts';
import { verifier } from '../pocket/verifier.ts';
import { changed, heard, image } from '../scene.ts';

const { sha256 } = verifier;
export const FIRST = image(3);
/** What is published after it, unless a variant says otherwise. */
export const FRESH = changed(FIRST, 5);
export const OPTIONS = { class: 'M' } as const;
export const FULL = makeFull(FRESH, OPTIONS).delta;
export const DELTA = makeDelta(FIRST, FRESH, OPTIONS).delta;
/** More than any container here asks for. */
export const WORKSPACE_BYTES = 4096;

/** A release whose only payload is this container: both servers have signed it, and the ledger has it. */
export function full(how: string, expect: Code | 'held', container: Uint8Array, change: PublishOptions = {}): Variant {
  return installed(how, expect, { containers: { full: container }, bases: [], ...change });
}

/** The same as a delta from what runs; the full image behind it is true, and must not be blamed. */
export function delta(how: string, expect: Code | 'held', container: Uint8Array, change: PublishOptions = {}): Variant {
  return installed(how, expect, { containers: { delta: container, full: container }, ...change });
}

function installed(how: string, expect: Code | 'held', publish: PublishOptions): Variant {
  const options = { workspaceBytes: WORKSPACE_BYTES, ...publish };
  return heard(how, expect, (s) => s.server.announcement(), {
    publish: options,
    image: FRESH,
    spare: ['head', 'other', 'failed'],
    passMs: 60_000,
  });
}

/** A container with one byte of its header set. */
export const header = (at: number, value: number, container = FULL) => {
  const out = container.slice();
  out[at] = value;
  return out;
};

/** The numbers of the header are varints from byte 12 on. */
export function numbers(change: (list: number[]) => number[], container = FULL): Uint8Array {
  const full = (container[4]! & 1) === 1;
  const list: number[] = [];
  let at = 12;
  for (let i = 0; i < (full ? 5 : 6); i++) {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = container[at++]!;
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) break;
    }
    list.push(value);
  }
  const encoded = change(list).flatMap(varint);
  return Uint8Array.from([...container.slice(0, 12), ...encoded, ...container.slice(at)]);
}

function varint(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...varint(Math.floor(value / 128))];
}
/** The container's tag of the new image, which stands at the end of its header, set to that of the signed one. */
export function tagged(container: Uint8Array): Uint8Array {
  let at = 12;
  for (let i = 0; i < 5; i++) while (container[at++]! >= 0x80);
  const out = container.slice();
  out.set(sha256(FRESH).slice(0, 8), at);
  return out;
}
