/** Decoder and slot writer joined: frames in, image in the slot, a point to go on from at every checkpoint. */
import { type Checkpoint, decodeCheckpoint, encodeCheckpoint } from '../delta/checkpoint.ts';
import { DeltaDecoder, type DeltaPorts } from '../delta/decoder.ts';
import type { DeltaHeader } from '../delta/fields.ts';
import { readWholeHeader, TAG_BYTES } from '../delta/header.ts';
import { demand } from '../errors.ts';
import type { FrameTaker, TakerOptions } from '../fetch/target.ts';
import type { Position, Route } from '../fetch/window.ts';
import { equal } from '../format/bytes.ts';
import type { ImageId, Payload } from '../format/suit.ts';
import type { Flash } from '../ports.ts';
import type { Progress } from '../store/pending.ts';
import { demandSlotDigest, SlotWriter } from '../store/slots.ts';

export interface ApplicationOptions extends Omit<TakerOptions, 'sha256'> {
  /** The running image, read in small pieces. */
  old: Flash;
  slot: Flash;
}

/** A frame of a dense delta makes a hundred kilobytes: the decoder is asked for checkpoints several times within one. */
const PIECE_BYTES = 32;

export class Application implements FrameTaker {
  readonly #options: ApplicationOptions;
  readonly #decoder: DeltaDecoder;
  readonly #writer: SlotWriter;
  readonly #from: Checkpoint | undefined;
  /** Output offset of the last checkpoint that was saved. */
  #kept: number;

  /** @throws Refusal NO_SPACE, NO_MEMORY; BAD_STATE for a damaged checkpoint, WRONG_BASE or BAD_DELTA for another's */
  constructor(options: ApplicationOptions) {
    const { payload, newImage, resume, slot } = options;
    this.#options = options;
    this.#from = resume && checkpointOf(resume, payload);
    this.#writer = new SlotWriter(slot, newImage.bytes, resume?.written ?? 0);
    const ports = decoderPorts(options, this.#writer);
    if (this.#from) checkTags(readWholeHeader(this.#from.header, options.decoders), options);
    this.#decoder = this.#from ? DeltaDecoder.restore(ports, this.#from) : new DeltaDecoder(ports);
    this.#kept = resume?.written ?? 0;
  }

  /** Frames to fetch: those of the model section, for it is not in the checkpoint, then the rest. Undefined for all. */
  get route(): Route | undefined {
    const { resume, payload, decoders } = this.#options;
    if (!resume || !this.#from) return undefined;
    const { headerBytes, modelBytes } = readWholeHeader(this.#from.header, decoders);
    const lead = modelBytes === 0 ? 0 : Math.ceil((headerBytes + modelBytes) / payload.frameBytes);
    const then = { index: resume.frameIndex, expected: resume.expected };
    return lead < then.index ? { lead, then } : undefined;
  }

  /** Takes the proven payload of the frame at `position`. @throws Refusal BAD_DELTA, WRONG_BASE, FLASH_FAULT … */
  take(bytes: Uint8Array, position: Position): void {
    if (position.index === 0) this.#checkHeader(bytes);
    const start = position.index * this.#options.payload.frameBytes;
    // What the decoder wants may jump: behind the model section, to the checkpoint it was restored from.
    for (let at = this.#decoder.wants - start; at < bytes.length; at = this.#decoder.wants - start) {
      this.#decoder.push(bytes.subarray(at, at + PIECE_BYTES));
      const checkpoint = this.#decoder.checkpoint();
      if (checkpoint && checkpoint.outputOffset > this.#kept) this.#keep(checkpoint, position);
    }
  }

  /** The container is complete and the slot, read back, holds what was signed. @throws Refusal BAD_DELTA, RESULT_MISMATCH */
  finish(): void {
    this.#decoder.finalize();
    this.#writer.finish();
    const { slot, hash, newImage } = this.#options;
    demandSlotDigest(slot, newImage.bytes, hash(), newImage.digest);
  }

  /**
   * The header lies whole in the first frame. A checkpoint of this container has the same one; a model section is never
   * read by the counts of another.
   */
  #checkHeader(frame: Uint8Array): void {
    const header = readWholeHeader(frame, this.#options.decoders);
    const same = this.#from === undefined || equal(this.#from.header, frame.subarray(0, header.headerBytes));
    demand(same, 'BAD_DELTA', 'the container is not the one of the checkpoint');
    demand(header.inPlace === undefined, 'UNSUPPORTED', 'a delta for one slot, and there are two');
    checkTags(header, this.#options);
  }

  /** A checkpoint counts only where the slot can be resumed too: cells behind the last whole block cannot be trusted. */
  #keep(checkpoint: Checkpoint, position: Position): void {
    const { frameBytes } = this.#options.payload;
    const skip = checkpoint.streamOffset - position.index * frameBytes;
    const { outputOffset } = checkpoint;
    const resumable = outputOffset <= this.#writer.durable && skip >= 0 && skip < frameBytes;
    if (!resumable || outputOffset % this.#options.slot.eraseBytes !== 0) return;
    this.#kept = outputOffset;
    const { index, expected } = position;
    this.#options.save({
      frameIndex: index,
      expected,
      skip,
      written: outputOffset,
      checkpoint: encodeCheckpoint(checkpoint),
    });
  }
}

/**
 * The checkpoint lies in the frame that the journal names, and the slot holds what came before it. The chain is that of
 * the same branch: whoever keeps progress compares its chain head first.
 * @throws Refusal BAD_STATE
 */
function checkpointOf({ frameIndex, skip, written, checkpoint }: Progress, payload: Payload): Checkpoint {
  const found = decodeCheckpoint(checkpoint);
  const inChain = frameIndex < payload.frameCount && skip < payload.frameBytes;
  const inFrame = found.streamOffset === frameIndex * payload.frameBytes + skip;
  demand(inChain && inFrame && found.outputOffset === written, 'BAD_STATE', 'progress that contradicts its checkpoint');
  return found;
}

function decoderPorts(
  { workspace, decoders, old, oldImage, newImage, slot }: ApplicationOptions,
  writer: SlotWriter,
): DeltaPorts {
  const limits = { oldBytes: oldImage.bytes, newBytes: newImage.bytes, slotBytes: slot.bytes };
  return { workspace, decoders, old, sink: (_offset, bytes) => writer.write(bytes), limits };
}

function sameTag(tag: Uint8Array, digest: Uint8Array): boolean {
  for (let i = 0; i < TAG_BYTES; i++) if (tag[i] !== digest[i]) return false;
  return true;
}

/**
 * The tags bind the container to both images before a byte of the slot is touched: a delta for another base would only
 * be noticed when all of it has been applied.
 */
export function checkTags(header: DeltaHeader, images: { oldImage: ImageId; newImage: ImageId }): void {
  const right = sameTag(header.newTag, images.newImage.digest);
  demand(right, 'BAD_DELTA', 'the container is for another image than the manifest');
  const base = header.kind === 'full' || sameTag(header.oldTag, images.oldImage.digest);
  demand(base, 'WRONG_BASE', 'the delta is for another image than the one that runs');
}
