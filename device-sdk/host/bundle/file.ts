/** A bundle on disk: the head part is read whole, frames one by one where they are wanted. */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { demand, Refusal } from '../../src/errors.ts';
import { equal } from '../../src/format/bytes.ts';
import { frameLength, framesBytes } from '../../src/format/frames.ts';
import { HASH_BYTES, leafHash, type Sha256 } from '../../src/format/merkle.ts';
import {
  type Answer,
  CONSISTENCY,
  ENTRIES,
  ISSUED,
  type Request,
  ROOTS,
  ROOTS_MAX,
} from '../../src/format/requests.ts';
import { readSignedRoot } from '../../src/format/root.ts';
import type { Payload } from '../../src/format/suit.ts';
import type { Shelf } from '../relay/shelf.ts';
import { type BundleHead, bundleBytes, readHead, readStart, START_BYTES } from './format.ts';
import { growthPath } from './growth.ts';
import { receiptOf } from './issued.ts';

export class BundleFile implements Shelf {
  readonly head: BundleHead;
  readonly bytes: number;
  readonly #fd: number;
  readonly #sha256: Sha256;
  /** Where each payload's frames begin. */
  readonly #starts: number[];

  /** @throws Refusal NOT_FOUND; MALFORMED, TOO_LARGE, UNSUPPORTED for what is no bundle, or not a whole one */
  constructor(path: string, sha256: Sha256) {
    this.#sha256 = sha256;
    this.#fd = open(path);
    try {
      this.bytes = fstatSync(this.#fd).size;
      const { headBytes, digest } = readStart(this.#read(0, START_BYTES));
      demand(this.bytes >= START_BYTES + headBytes, 'MALFORMED', 'the head part is cut');
      this.head = readHead(sha256, digest, this.#read(START_BYTES, headBytes));
      const { payloads } = this.head;
      const whole = bundleBytes(headBytes, payloads);
      demand(this.bytes === whole, 'MALFORMED', `${this.bytes} bytes, the head part speaks of ${whole}`);
      let at = START_BYTES + headBytes;
      this.#starts = payloads.map((payload) => {
        const start = at;
        at += framesBytes(payload);
        return start;
      });
    } catch (error) {
      this.close();
      throw error;
    }
  }

  announcements(classId: Uint8Array): readonly Uint8Array[] {
    return equal(classId, this.head.classId) ? [this.head.announcement] : [];
  }

  frames(chainHead: Uint8Array, first: number, count: number): readonly Uint8Array[] | undefined {
    const i = this.head.payloads.findIndex((payload) => equal(payload.chainHead, chainHead));
    const payload = this.head.payloads[i];
    if (!payload) return undefined;
    const last = Math.min(first + count, payload.frameCount);
    const found: Uint8Array[] = [];
    for (let index = first; index < last; index++) found.push(this.#frame(payload, this.#starts[i]!, index));
    return found;
  }

  answer(request: Request): Answer | undefined {
    const { id } = request;
    switch (request.kind) {
      case CONSISTENCY: {
        const { growth } = this.head;
        const path = growth && growthPath(this.#sha256, growth, request.from, request.to);
        return path ? { id, kind: CONSISTENCY, path } : undefined;
      }
      case ENTRIES: {
        const entries = this.#entriesFrom(request.leafHash, request.count);
        return entries.length > 0 ? { id, kind: ENTRIES, entries } : undefined;
      }
      case ROOTS: {
        const roots = this.#rootsFrom(request.from);
        return roots.length > 0 ? { id, kind: ROOTS, roots } : undefined;
      }
      case ISSUED: {
        const { announcement, issued = [] } = this.head;
        const item = issued.find(({ thumbprint }) => equal(thumbprint, request.thumbprint));
        return item && { id, kind: ISSUED, entry: item.entry, receipt: receiptOf(item, announcement) };
      }
      default:
        return undefined;
    }
  }

  close(): void {
    closeSync(this.#fd);
  }

  #frame(payload: Payload, start: number, index: number): Uint8Array {
    return this.#read(start + index * (payload.frameBytes + HASH_BYTES), frameLength(payload, index));
  }

  /** As the server answers: the release with this leaf and those before it in its chain. */
  #entriesFrom(wanted: Uint8Array, count: number): Uint8Array[] {
    const { entries } = this.head;
    const at = entries.findIndex((entry) => equal(leafHash(this.#sha256, entry), wanted));
    return at < 0 ? [] : entries.slice(at, at + count);
  }

  #rootsFrom(version: number): Uint8Array[] {
    const { roots } = this.head;
    const at = roots.findIndex((root) => readSignedRoot(this.#sha256, root).root.version === version);
    return at < 0 ? [] : roots.slice(at, at + ROOTS_MAX);
  }

  #read(from: number, length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    let done = 0;
    for (let read = 1; read > 0 && done < length; done += read)
      read = readSync(this.#fd, bytes, done, length - done, from + done);
    demand(done === length, 'MALFORMED', 'the bundle is cut');
    return bytes;
  }
}

function open(path: string): number {
  try {
    return openSync(path, 'r');
  } catch (cause) {
    throw new Refusal('NOT_FOUND', `${path} cannot be read`, { cause });
  }
}
