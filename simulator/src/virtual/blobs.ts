import type { BlobStore } from '@countersign/broker/store/blobs';
import { demand, type Verifier } from '@countersign/device-sdk';
import { hex, type Payload } from '@countersign/device-sdk/format';

/** Content by digest, in memory: the collection server's store of a world that ends with its process. */
export function memoryBlobs({ sha256 }: Verifier): BlobStore {
  const blobs = new Map<string, Uint8Array>();
  const payloads = new Map<string, readonly Uint8Array[]>();
  return {
    async put(bytes) {
      const digest = sha256(bytes);
      blobs.set(hex(digest), bytes);
      return digest;
    },
    async putFrames({ chainHead }: Payload, frames) {
      payloads.set(hex(chainHead), frames);
    },
    has: async (digest) => blobs.has(hex(digest)),
    async blob(digest) {
      const bytes = blobs.get(hex(digest));
      demand(bytes, 'NOT_FOUND', `no blob ${hex(digest)}`);
      return bytes;
    },
    async frames({ chainHead }) {
      const frames = payloads.get(hex(chainHead));
      demand(frames, 'NOT_FOUND', `no payload ${hex(chainHead)}`);
      return [...frames];
    },
  };
}
