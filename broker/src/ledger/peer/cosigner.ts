/**
 * Signs heads for a peer. What it asserts is on disk before it signs: after a crash or a restart it knows the last head
 * that it may have put its name to, and signs no other of that size.
 */
import { readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { demand, Refusal, type Verifier } from '@countersign/device-sdk';
import { asArray, decode, encode, equal, type Head, type Signer, signHead } from '@countersign/device-sdk/format';
import { makeFolder, writeDurable } from '../../store/durable.ts';
import type { Inside } from '../embedded/source.ts';
import { keptHead, readKeptHead } from '../kept-head.ts';
import { isOnChain } from './on-chain.ts';

/** A head of the future would make every honest later one look old to devices; clocks differ by less. */
export const AHEAD_SECONDS_MAX = 600;

export interface Cosigner {
  readonly last: Head | undefined;
  /**
   * Whether the own copy has all that this key has signed before: a copy that was fetched again, or restored, may be
   * shorter, or another one.
   * @throws Refusal SPLIT_VIEW where it is another one; BAD_STORE
   */
  agrees(): Promise<boolean>;
  /**
   * @param head of the own chain (see `isOnChain`)
   * @returns the COSE_Sign1 with detached root
   * @throws Refusal STALE, SPLIT_VIEW against the last one signed; BAD_HEAD for a head of the future; BAD_STORE
   */
  sign(head: Head): Promise<Uint8Array>;
  /**
   * Takes up a head that this key has signed and this folder does not know of, as the last one signed.
   * @returns entries of the one it knew of, 0 for none; undefined where this one is not newer
   * @throws Refusal BAD_STORE
   */
  remember(head: Head): Promise<number | undefined>;
}

/** @param path of the file that holds the last head signed. @throws Refusal BAD_STORE where it is damaged */
export async function openCosigner(
  path: string,
  signer: Signer,
  parts: { inside: Inside; verifier: Verifier; now: () => number; witnessed?: Witnessed | undefined },
): Promise<Cosigner> {
  const { inside, verifier, now, witnessed = async () => undefined } = parts;
  let last = await load(path);
  let compared = false;
  const agrees = async () => (compared ||= await isOwn(inside, last, await witnessed()));
  return {
    get last() {
      return last;
    },
    agrees,
    async sign(head) {
      const limit = now() + AHEAD_SECONDS_MAX;
      demand(head.time <= limit, 'BAD_HEAD', `a head of ${head.time - now()} seconds from now is not cosigned`);
      if (last) checkFollows(last, head);
      demand(await agrees(), 'STALE', 'this copy has not come to all that this key has signed');
      await keep(head);
      return signHead(verifier.sha256, head, signer);
    },
    async remember(head) {
      const knew = last;
      const newer = !knew || head.size > knew.size || (head.size === knew.size && head.time > knew.time);
      if (!newer) return undefined;
      await keep(head);
      compared = false;
      return knew?.size ?? 0;
    },
  };

  async function keep(head: Head): Promise<void> {
    await makeFolder(dirname(path), 0o700);
    await writeDurable(path, encode([1, ...keptHead(head)]));
    last = head;
  }
}

/** The tree that the same key has cosigned last as a witness of checkpoints. */
export type Witnessed = () => Promise<{ size: number; root: Uint8Array } | undefined>;

/** @returns false where the chain has not come so far. From then on it only grows. */
async function isOwn(inside: Inside, last: Head | undefined, seen: Awaited<ReturnType<Witnessed>>): Promise<boolean> {
  if (last && !(await isOnChain(inside, last))) return false;
  if (!seen) return true;
  if (seen.size > inside.standing.head.head.size) return false;
  const same = equal(inside.reader.rootAt(seen.size), seen.root);
  demand(same, 'SPLIT_VIEW', `this key has cosigned another checkpoint of ${seen.size} entries`);
  return true;
}

type Signed = Pick<Head, 'size' | 'root' | 'indexRoot' | 'time'>;

function checkFollows(last: Signed, next: Signed): void {
  demand(next.size >= last.size, 'STALE', `a head of ${next.size} entries; this key has signed one of ${last.size}`);
  if (next.size > last.size) return;
  const same = equal(last.root, next.root) && equal(last.indexRoot, next.indexRoot);
  demand(same, 'SPLIT_VIEW', `this key has signed another head of ${last.size} entries`);
  demand(next.time >= last.time, 'STALE', 'an earlier head of the same size');
}

async function load(path: string): Promise<Head | undefined> {
  try {
    const [version, ...head] = asArray(decode(new Uint8Array(await readFile(path))), 'last head signed', 7);
    demand(version === 1, 'UNSUPPORTED', `version ${String(version)}`);
    return readKeptHead(head);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    // Not passed over: without it this key could sign a second head of one size.
    throw new Refusal('BAD_STORE', `${path}, the last head that this key signed, is damaged`, { cause });
  }
}
