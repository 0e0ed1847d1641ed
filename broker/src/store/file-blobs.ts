import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { demand, Refusal } from '@countersign/device-sdk';
import { equal, HASH_BYTES, hex, type Payload, type Sha256 } from '@countersign/device-sdk/format';
import type { BlobStore } from './blobs.ts';
import { flush, makeFolder, writeDurable } from './durable.ts';
import { cutFrames, encodePayloadFile, readPayloadFile, samePayload } from './payload-file.ts';

/**
 * Largest blob and payload. An image is held in memory whole, several times over, while deltas are made from it; the
 * slots of microcontrollers end at 16 MB, and four times that leaves room for a gateway's image.
 */
export const BLOB_BYTES_MAX = 64 * 1024 * 1024;

/** A store that can also say what it holds under a payload's name, for serving it to others. */
export interface FileBlobStore extends BlobStore {
  /** @throws Refusal NOT_FOUND, BAD_FRAME */
  payload(chainHead: Uint8Array): Promise<{ payload: Payload; frames: Uint8Array[] }>;
}

/**
 * Content by digest in a folder: `blobs/ab/<sha256>` and `payloads/ab/<chain head>`. Every read is checked against the
 * name, so a damaged file is noticed before anything is made of it; putting the same content again mends it. Files are
 * never changed or removed here, so several processes may use one folder.
 *
 * @example
 * const blobs = fileBlobStore('data/collection/blobs', verifier.sha256);
 * const digest = await blobs.put(image);
 */
export function fileBlobStore(folder: string, sha256: Sha256): FileBlobStore {
  return {
    async put(bytes) {
      demand(bytes.length <= BLOB_BYTES_MAX, 'TOO_LARGE', `${bytes.length} bytes, at most ${BLOB_BYTES_MAX}`);
      const digest = sha256(bytes);
      await keep(pathOf('blobs', digest), bytes);
      return digest;
    },
    async blob(digest) {
      const bytes = await load(pathOf('blobs', digest), `blob ${hex(digest)}`);
      demand(equal(sha256(bytes), digest), 'BAD_STORE', `the stored blob ${hex(digest)} is damaged`);
      return bytes;
    },
    async has(digest) {
      return (await sizeOf(pathOf('blobs', digest))) !== undefined;
    },
    async putFrames(payload, frames) {
      demand(payload.bytes <= BLOB_BYTES_MAX, 'TOO_LARGE', `${payload.bytes} bytes, at most ${BLOB_BYTES_MAX}`);
      await keep(pathOf('payloads', payload.chainHead), encodePayloadFile(sha256, payload, frames));
    },
    async frames(wanted) {
      const { payload, frames } = await readPayload(wanted.chainHead);
      demand(samePayload(payload, wanted), 'BAD_FRAME', `payload ${hex(wanted.chainHead)} has another shape`);
      return frames;
    },
    payload: readPayload,
  };

  async function readPayload(chainHead: Uint8Array): Promise<{ payload: Payload; frames: Uint8Array[] }> {
    const file = await load(pathOf('payloads', chainHead), `payload ${hex(chainHead)}`);
    const { payload, body } = readPayloadFile(file);
    demand(equal(payload.chainHead, chainHead), 'BAD_FRAME', `a payload lies under the name ${hex(chainHead)}`);
    return { payload, frames: cutFrames(sha256, payload, body) };
  }

  function pathOf(kind: 'blobs' | 'payloads', name: Uint8Array): string {
    if (name.length !== HASH_BYTES) throw new RangeError(`a name has ${HASH_BYTES} bytes, got ${name.length}`);
    const text = hex(name);
    return join(folder, kind, text.slice(0, 2), text);
  }
}

/** Writes unless the same bytes are there already: a file that was damaged since is replaced. */
async function keep(path: string, bytes: Uint8Array): Promise<void> {
  if ((await sizeOf(path)) === bytes.length && equal(await readFile(path), bytes)) {
    // An earlier put may have died between its rename and its flush: what is visible need not be durable yet.
    await flush(path);
    return;
  }
  await makeFolder(join(path, '..'));
  await writeDurable(path, bytes);
}

/** Room for a payload's description and the hashes of the smallest frames. */
const FILE_BYTES_MAX = BLOB_BYTES_MAX + BLOB_BYTES_MAX / 8 + 1024;

async function load(path: string, what: string): Promise<Uint8Array> {
  const size = await sizeOf(path);
  demand(size !== undefined, 'NOT_FOUND', `${what} is not in this store`);
  demand(size <= FILE_BYTES_MAX, 'BAD_STORE', `${what} is a file of ${size} bytes`);
  try {
    const bytes = await readFile(path);
    return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
  } catch (cause) {
    throw new Refusal('BAD_STORE', `${what} cannot be read`, { cause });
  }
}

async function sizeOf(path: string): Promise<number | undefined> {
  try {
    const found = await stat(path);
    return found.isFile() ? found.size : undefined;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new Refusal('BAD_STORE', `${path} cannot be read`, { cause });
  }
}
