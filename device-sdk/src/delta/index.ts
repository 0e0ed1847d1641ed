/**
 * The delta decoder: one container, fed in pieces, becomes pages of the new image in a fixed workspace.
 * It knows no signatures. Drive it like this:
 *
 * 1. `new DeltaDecoder({ workspace, old, sink, limits, decoders })` with the sizes of the *signed* manifest in `limits`.
 * 2. `push(piece)` for each verified piece in order. The sink writes its page at once; it may be called many times.
 * 3. After each push compare `checkpoint()?.outputOffset` with the last one journaled; if it rose and is a multiple of
 *    the flash's erase unit, journal `encodeCheckpoint(...)` together with the frame that holds `streamOffset`.
 * 4. After a restart: `DeltaDecoder.restore(ports, decodeCheckpoint(record))`, erase the slot from
 *    `checkpoint.outputOffset` on, feed the container from `decoder.wants` on.
 * 5. `finalize()` after the last piece, then compare the slot's SHA-256 with the signed digest.
 *
 * `dump()` and `DeltaDecoder.load(ports)` suspend between any two bytes, for devices with RAM that survives.
 */
export { BlockOrder, type Direction } from './block-order.ts';
export {
  CHECKPOINT_BYTES_MAX,
  type Checkpoint,
  decodeCheckpoint,
  encodeCheckpoint,
} from './checkpoint.ts';
export {
  CLASS_BYTES,
  CLASSES,
  CODER_HEATSHRINK,
  CODER_LITE,
  CODER_MIXING,
  CODER_STORED,
  IMAGE_BYTES_MAX,
  type MemoryClass,
  memoryClass,
  OLD_BUFFER_BYTES,
  STATE_BYTES,
} from './classes.ts';
export { COPY_FROM, COPY_ON, FILL, GAP_ESCAPE, INSERT, type Spending } from './commands.ts';
export { DeltaDecoder, type DeltaLimits, type DeltaPorts } from './decoder.ts';
export { type DecoderPart, EVERY_DECODER } from './decoders.ts';
export { readHeader, readWholeHeader, workspaceBytes, workspaceParts } from './every.ts';
export type { DeltaHeader } from './fields.ts';
export {
  HEADER_BYTES_MAX,
  LOOKAHEAD_BITS_MAX,
  LOOKAHEAD_BITS_MIN,
  MAGIC,
  TAG_BYTES,
  VERSION,
  WINDOW_BITS_MAX,
  WINDOW_BITS_MIN,
} from './header.ts';
export { type DeltaSpending, type DeltaTaps, inspectDelta } from './inspect.ts';
export { LEARNED_BITS_MAX, LEARNED_BITS_MIN, LEARNED_PER_NEW_MAX } from './model/coding-mixing.ts';
export type { OldImage } from './old-bytes.ts';
export type { PageSink } from './pages.ts';
export type { WorkspaceNeed } from './workspace.ts';
