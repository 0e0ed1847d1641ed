import { EVERY_DECODER } from '@countersign/device-sdk/decoders';
import { DeltaDecoder, IMAGE_BYTES_MAX, type OldImage, readWholeHeader } from '@countersign/device-sdk/delta';

/**
 * Decodes a whole container in memory, with the decoder that devices run and exactly the workspace it asks for. What is
 * made for one slot is decoded over its base: under the blocks that are done there is the new image.
 * The caller compares the result's digest: the decoder checks sizes only.
 * @throws Refusal BAD_DELTA, UNSUPPORTED, NO_SPACE
 */
export function applyDelta(container: Uint8Array, old: Uint8Array, slotBytes = IMAGE_BYTES_MAX): Uint8Array {
  const header = readWholeHeader(container);
  const fresh = new Uint8Array(header.newBytes);
  const inPlace = (offset: number, into: Uint8Array) => {
    const border = decoder.checkpoint()?.outputOffset;
    if (border === undefined || header.inPlace === undefined) return;
    const [from, to] = header.inPlace === 'backward' ? [border, fresh.length] : [0, border];
    const start = Math.max(from, offset);
    const end = Math.min(to, offset + into.length);
    if (start < end) into.set(fresh.subarray(start, end), start - offset);
  };
  const base: OldImage = {
    read: (offset, into) => {
      into.set(old.subarray(offset, offset + into.length));
      inPlace(offset, into);
    },
  };
  const decoder = new DeltaDecoder({
    workspace: new Uint8Array(header.workspaceBytes),
    decoders: EVERY_DECODER,
    old: base,
    sink: (offset, bytes) => fresh.set(bytes, offset),
    limits: { oldBytes: old.length, newBytes: header.newBytes, slotBytes },
  });
  decoder.push(container);
  decoder.finalize();
  return fresh;
}
