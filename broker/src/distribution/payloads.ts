import { codeOf, type Verifier } from '@countersign/device-sdk';
import { hex, type Payload } from '@countersign/device-sdk/format';
import type { BlobSource, BlobStore } from '../store/blobs.ts';

/**
 * Payload bytes kept in memory for serving: hundreds of deltas, or a few images of the largest size. What is pushed out
 * is read from disk again.
 */
export const MEMORY_BYTES_MAX = 256 * 1024 * 1024;

/** Content of releases: from this server's own store, fetched from the collection server when first wanted. */
export interface Payloads extends BlobSource {
  /** Payloads that were fetched from the collection server since the start. */
  readonly fetched: number;
}

export function cachedPayloads(verifier: Verifier, source: BlobSource, own: BlobStore): Payloads {
  const memory = new Map<string, { bytes: number; frames: Promise<Uint8Array[]> }>();
  let held = 0;
  let fetched = 0;

  return {
    async blob(digest) {
      if (await own.has(digest)) return own.blob(digest);
      const bytes = await source.blob(digest);
      await own.put(bytes);
      return own.blob(verifier.sha256(bytes));
    },
    frames(payload) {
      const key = hex(payload.chainHead);
      const known = memory.get(key);
      if (!known) return remember(key, payload);
      memory.delete(key);
      memory.set(key, known);
      return known.frames;
    },
    get fetched() {
      return fetched;
    },
  };

  function remember(key: string, payload: Payload): Promise<Uint8Array[]> {
    const frames = load(payload);
    memory.set(key, { bytes: payload.bytes, frames });
    held += payload.bytes;
    for (const oldest of memory.keys()) {
      if (held <= MEMORY_BYTES_MAX || oldest === key) break;
      forget(oldest);
    }
    // A failure is not remembered: the collection server may be back a moment later.
    frames.catch(() => forget(key));
    return frames;
  }

  function forget(key: string): void {
    held -= memory.get(key)?.bytes ?? 0;
    memory.delete(key);
  }

  async function load(payload: Payload): Promise<Uint8Array[]> {
    try {
      return await own.frames(payload);
    } catch (error) {
      // Absent, or damaged on disk: either way the source has it, checked against the chain, and putting it mends ours.
      if (!['NOT_FOUND', 'BAD_FRAME', 'BAD_STORE'].includes(codeOf(error))) throw error;
    }
    const frames = await source.frames(payload);
    await own.putFrames(payload, frames);
    fetched++;
    return frames;
  }
}
