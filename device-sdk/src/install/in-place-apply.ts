/** A staged delta over its own base: the whole way from a verified container in flash to the new image in its place. */
import { BlockOrder } from '../delta/block-order.ts';
import { decodeCheckpoint, encodeCheckpoint } from '../delta/checkpoint.ts';
import { DeltaDecoder, type DeltaPorts } from '../delta/decoder.ts';
import { type DeltaHeader, HEADER_BYTES_MAX, readHeader } from '../delta/header.ts';
import { demand } from '../errors.ts';
import type { ImageId } from '../format/suit.ts';
import type { Flash, Hash } from '../ports.ts';
import { demandSlotDigest, slotHolds } from '../store/slots.ts';
import { chunkBytes, readAt } from '../store/units.ts';
import { type InPlaceProgress, InPlaceWriter } from './in-place.ts';

export interface InPlaceJob {
  slot: Flash;
  scratch: Flash;
  /** Holds the container from its first byte on. */
  staging: Flash;
  /** Digest of the container, taken while its frames were proven against the signed chain. */
  container: ImageId;
  oldImage: ImageId;
  newImage: ImageId;
  workspace: Uint8Array;
  progress: InPlaceProgress | undefined;
  save(progress: InPlaceProgress): void;
  hash(): Hash;
}

/** A container larger than the staging area is refused while its frames have not been asked for. @throws Refusal NO_STAGING */
export function demandStaging(staging: Flash, containerBytes: number): void {
  demand(containerBytes <= staging.bytes, 'NO_STAGING', `${containerBytes} bytes, a staging area of ${staging.bytes}`);
}

/**
 * Applies the staged container. Nothing of the slot is touched before the container has been read back whole and the
 * base compared; from then on everything that is needed lies in flash, and a cut at any operation is made good by
 * calling this again with the progress that was saved last, whether or not the link ever returns.
 * @throws Refusal NO_STAGING, WRONG_BASE, RESULT_MISMATCH, BAD_DELTA, NO_SPACE, NO_MEMORY, FLASH_FAULT
 */
export function applyInPlace(job: InPlaceJob): void {
  const { slot, staging, container, oldImage, newImage, progress, hash } = job;
  demandStaging(staging, container.bytes);
  demandSlotDigest(staging, container.bytes, hash(), container.digest);
  const header = stagedHeader(job);
  demand(header.kind === 'full' || header.inPlace, 'BAD_DELTA', 'a delta for two slots');
  if (!progress && header.kind === 'delta') {
    const base = slotHolds(slot, oldImage.bytes, hash(), oldImage.digest);
    demand(base, 'WRONG_BASE', 'the slot does not hold the image that the delta is from');
  }
  write(job, header);
  demandSlotDigest(slot, newImage.bytes, hash(), newImage.digest);
}

function stagedHeader({ staging, container }: InPlaceJob): DeltaHeader {
  const header = readHeader(readAt(staging, 0, Math.min(HEADER_BYTES_MAX, container.bytes)));
  demand(header, 'BAD_DELTA', 'the container ends inside its header');
  return header;
}

/** Blocks of the container; without checkpoints the image must be one page. */
function orderOf({ checkpointBits, newBytes, inPlace }: DeltaHeader, scratch: Flash): BlockOrder {
  const blockBytes = checkpointBits > 0 ? 2 ** checkpointBits : scratch.bytes;
  const fits = checkpointBits > 0 || newBytes <= scratch.bytes;
  demand(fits, 'NO_STAGING', `an image of ${newBytes} bytes without checkpoints`);
  return new BlockOrder(newBytes, blockBytes, inPlace);
}

function write(job: InPlaceJob, header: DeltaHeader): void {
  const { slot, scratch, staging, container, oldImage, newImage, workspace } = job;
  let decoder: DeltaDecoder | undefined;
  const writer = new InPlaceWriter({
    slot,
    scratch,
    order: orderOf(header, scratch),
    resume: job.progress,
    save: job.save,
    checkpoint: () => encodeCheckpoint(decoder!.checkpoint()!),
  });
  if (!writer.complete) {
    const ports: DeltaPorts = {
      workspace,
      old: slot,
      sink: (offset, bytes) => writer.write(offset, bytes),
      limits: { oldBytes: oldImage.bytes, newBytes: newImage.bytes, slotBytes: slot.bytes },
    };
    const { checkpoint } = writer.progress;
    decoder =
      checkpoint.length > 0 ? DeltaDecoder.restore(ports, decodeCheckpoint(checkpoint)) : new DeltaDecoder(ports);
    feed(decoder, staging, container.bytes);
  }
  writer.finish();
}

function feed(decoder: DeltaDecoder, staging: Flash, bytes: number): void {
  const step = chunkBytes(staging);
  for (let at = decoder.wants; at < bytes; at = decoder.wants)
    decoder.push(readAt(staging, at, Math.min(step, bytes - at)));
  decoder.finalize();
}
