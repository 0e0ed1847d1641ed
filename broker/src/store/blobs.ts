/** Content by digest: what collection and distribution share, and all they share beside the ledger. */
import type { Payload } from '@countersign/device-sdk/format';

export interface BlobSource {
  /** @param digest SHA-256. @throws Refusal NOT_FOUND, UNREACHABLE; BAD_STORE where the bytes do not match the digest */
  blob(digest: Uint8Array): Promise<Uint8Array>;
  /**
   * All frames of a payload by the name it has in manifests and requests. Each frame is checked against the chain.
   * @throws Refusal NOT_FOUND, UNREACHABLE, BAD_FRAME
   */
  frames(payload: Payload): Promise<Uint8Array[]>;
}

export interface BlobStore extends BlobSource {
  /** Stores bytes durably (temporary file, fsync, rename, fsync of the folder) and returns their SHA-256. Idempotent. */
  put(bytes: Uint8Array): Promise<Uint8Array>;
  /** Stores a payload's frames under its chain head. Idempotent. */
  putFrames(payload: Payload, frames: readonly Uint8Array[]): Promise<void>;
  has(digest: Uint8Array): Promise<boolean>;
}
