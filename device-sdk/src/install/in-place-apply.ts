/** A staged delta over its own base: first in thought, then page by page, from wherever the journal says. */
import { BlockOrder } from '../delta/block-order.ts';
import { type Checkpoint, decodeCheckpoint, encodeCheckpoint } from '../delta/checkpoint.ts';
import { DeltaDecoder } from '../delta/decoder.ts';
import type { DeltaHeader } from '../delta/fields.ts';
import { HEADER_BYTES_MAX, readHeader } from '../delta/header.ts';
import type { PageSink } from '../delta/pages.ts';
import type { DecoderPart } from '../delta/parts.ts';
import { demand } from '../errors.ts';
import { equal } from '../format/bytes.ts';
import type { ImageId } from '../format/suit.ts';
import type { Hash, OneSlotFlash } from '../ports.ts';
import { demandSlotDigest, slotHolds } from '../store/slots.ts';
import { type InPlaceProgress, InPlaceWriter } from './in-place.ts';
import type { Staged } from './staged.ts';

export interface InPlaceImages {
  oldImage: ImageId;
  newImage: ImageId;
}

/** Everything a page is made from: nothing of it comes over a link. */
export interface InPlaceSource extends OneSlotFlash, InPlaceImages {
  container: Staged;
  workspace: Uint8Array;
  decoders: readonly DecoderPart[];
  hash(): Hash;
}

export interface InPlaceJob extends InPlaceSource {
  progress: InPlaceProgress | undefined;
  save(progress: InPlaceProgress): void;
}

/** What of a container depends on the flash of one slot. @throws Refusal UNSUPPORTED, NO_STAGING */
export function checkHeader(header: DeltaHeader, { slot, scratch }: OneSlotFlash): void {
  demand(header.kind === 'full' || header.inPlace, 'UNSUPPORTED', 'a delta for two slots, and there is one');
  const { blockBytes } = orderOf(header, scratch.bytes);
  demand(blockBytes <= scratch.bytes, 'NO_STAGING', `pages of ${blockBytes} bytes, a scratch page of ${scratch.bytes}`);
  const whole = blockBytes % slot.eraseBytes === 0 && blockBytes % scratch.eraseBytes === 0;
  demand(whole, 'NO_STAGING', `pages of ${blockBytes} bytes are not whole erase blocks`);
}

/**
 * Decodes the whole container over the base as it will dwindle, writes nothing, and compares the digest of the result:
 * every byte that the true run will make has been made once while the old image was still whole.
 * @throws Refusal WRONG_BASE, RESULT_MISMATCH, BAD_DELTA, NO_MEMORY, NO_SPACE
 */
export function rehearse(source: InPlaceSource): void {
  const header = headerOf(source);
  checkHeader(header, source);
  demandBase(source, header);
  const hash = source.hash();
  const order = BlockOrder.of(header);
  hashTurns(source, order, hash, 0, order.count);
  demand(equal(hash.digest(), source.newImage.digest), 'RESULT_MISMATCH', 'the delta makes another image');
}

/**
 * Hashes what these turns make in the order of the image. Falling blocks are halved: first the later turns, from a
 * checkpoint that the earlier ones are decoded for, then the earlier ones. So n blocks are decoded 1 + log2(n) / 2 times,
 * and no more than log2(n) checkpoints are held.
 */
function hashTurns(source: InPlaceSource, order: BlockOrder, hash: Hash, from: number, to: number, at?: Checkpoint) {
  const middle = (from + to) >> 1;
  const run = (turn: number, sink: PageSink) =>
    decode(decoderOf(source, sink, at), source, turn < order.count ? order.border(turn) : undefined);
  if (!order.backward || middle === from) run(to, (_offset, bytes) => hash.update(bytes));
  else {
    const later = run(middle, () => {});
    hashTurns(source, order, hash, middle, to, later);
    hashTurns(source, order, hash, from, middle, at);
  }
}

/**
 * Makes the image in the place of its base. Whatever is needed lies in flash: a cut at any operation is made good by
 * calling this again with the progress that was saved last, whether or not the link ever returns. Before the first page
 * container and base must have been proven: by {@link rehearse}.
 * @throws Refusal WRONG_BASE, RESULT_MISMATCH, BAD_DELTA, NO_SPACE, NO_MEMORY, FLASH_FAULT
 */
export function applyInPlace(job: InPlaceJob): void {
  const { slot, newImage, progress, hash } = job;
  const header = headerOf(job);
  checkHeader(header, job);
  if (!progress) demandBase(job, header);
  write(job, header);
  demandSlotDigest(slot, newImage.bytes, hash(), newImage.digest);
}

function headerOf({ container, decoders }: InPlaceSource): DeltaHeader {
  const header = readHeader(container.read(0).subarray(0, HEADER_BYTES_MAX), decoders);
  demand(header, 'BAD_DELTA', 'the container ends inside its header');
  return header;
}

/** A block of the container is a page of the slot. An image without checkpoints is one page, the whole scratch page. */
function orderOf({ newBytes, checkpointBits, inPlace }: DeltaHeader, least: number): BlockOrder {
  const blockBytes = checkpointBits > 0 ? 2 ** checkpointBits : Math.max(newBytes, least);
  return new BlockOrder(newBytes, blockBytes, inPlace);
}

function demandBase({ slot, oldImage, hash }: InPlaceSource, { kind }: DeltaHeader): void {
  if (kind === 'full') return;
  const base = slotHolds(slot, oldImage.bytes, hash(), oldImage.digest);
  demand(base, 'WRONG_BASE', 'the slot does not hold the image that the delta is from');
}

/** From a checkpoint on, or from the first byte. */
function decoderOf(source: InPlaceSource, sink: PageSink, at: Checkpoint | undefined): DeltaDecoder {
  const { slot, workspace, decoders, oldImage, newImage } = source;
  const limits = { oldBytes: oldImage.bytes, newBytes: newImage.bytes, slotBytes: slot.bytes };
  const ports = { workspace, decoders, old: slot, sink, limits };
  return at ? DeltaDecoder.restore(ports, at) : new DeltaDecoder(ports);
}

function write(job: InPlaceJob, header: DeltaHeader): void {
  const { slot, scratch, progress, save } = job;
  let decoder: DeltaDecoder | undefined;
  const checkpoint = () => encodeCheckpoint(decoder!.checkpoint()!);
  const order = orderOf(header, scratch.bytes);
  const writer = new InPlaceWriter({ slot, scratch, order, resume: progress, save, checkpoint });
  if (!writer.complete) {
    const { checkpoint: from } = writer.progress;
    const at = from.length > 0 ? decodeCheckpoint(from) : undefined;
    decoder = decoderOf(job, (offset, bytes) => writer.write(offset, bytes), at);
    decode(decoder, job);
  }
  writer.finish();
}

/** To the end, or to the checkpoint at a border: byte by byte then, for the byte that ends a block has to be the last. */
function decode(decoder: DeltaDecoder, { container }: InPlaceSource, border = -1): Checkpoint | undefined {
  const { bytes } = container.payload;
  for (let at = decoder.wants; at < bytes; at = decoder.wants) {
    const passed = decoder.checkpoint();
    if (passed?.outputOffset === border) return passed;
    decoder.push(container.read(at, border < 0 ? bytes : 1));
  }
  decoder.finalize();
  return undefined;
}
