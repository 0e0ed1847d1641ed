import { DeltaDecoder, IMAGE_BYTES_MAX, readWholeHeader } from '@countersign/device-sdk/delta';

/**
 * Decodes a whole container in memory, with the decoder that devices run and exactly the workspace it asks for.
 * The caller compares the result's digest: the decoder checks sizes only.
 * @throws Refusal BAD_DELTA, UNSUPPORTED, NO_SPACE
 */
export function applyDelta(container: Uint8Array, old: Uint8Array, slotBytes = IMAGE_BYTES_MAX): Uint8Array {
  const header = readWholeHeader(container);
  const pages: Uint8Array[] = [];
  const decoder = new DeltaDecoder({
    workspace: new Uint8Array(header.workspaceBytes),
    old: { read: (offset, into) => into.set(old.subarray(offset, offset + into.length)) },
    sink: (_offset, bytes) => pages.push(bytes.slice()),
    limits: { oldBytes: old.length, newBytes: header.newBytes, slotBytes },
  });
  decoder.push(container);
  decoder.finalize();
  return new Uint8Array(Buffer.concat(pages));
}
