/** A peer's checkpoint: the log's newest, through the peer's own witness, so that it carries both signatures. */
import { Refusal } from '@countersign/device-sdk';
import { readCheckpoint } from './checkpoint.ts';
import { encodeRequest, type Witness } from './witness.ts';

/** Auditors who ask a peer do not make it ask its orderer more often than this. */
export const FETCH_MS_MIN = 1_000;

export interface FollowedParts {
  witness: Witness;
  /** The orderer's newest checkpoint. */
  fetch: () => Promise<Uint8Array>;
  /** Of the peer's own copy. */
  consistency: (from: number, to: number) => Promise<Uint8Array[]>;
  /** Milliseconds that only pass. */
  elapsedMs: () => number;
}

/** There is no second way to a cosignature: what is fetched goes through the same request that strangers make. */
export function followedCheckpoint({ witness, fetch, consistency, elapsedMs }: FollowedParts) {
  let asked: number | undefined;
  let asking: Promise<void> | undefined;

  return {
    /** The newest that could be had; an orderer that is away, or ahead of this copy, leaves the one before. @throws Refusal NOT_FOUND */
    async newest(): Promise<Uint8Array> {
      asking ??= refresh().finally(() => {
        asking = undefined;
      });
      await asking;
      const newest = await witness.newest();
      if (!newest) throw new Refusal('NOT_FOUND', 'this peer has cosigned no checkpoint yet');
      return newest;
    },
  };

  async function refresh(): Promise<void> {
    if (asked !== undefined && elapsedMs() - asked < FETCH_MS_MIN) return;
    asked = elapsedMs();
    try {
      const checkpoint = await fetch();
      const last = await witness.newest();
      const [old, size] = [last ? readCheckpoint(last).size : 0, readCheckpoint(checkpoint).size];
      const path = old > 0 && old < size ? await consistency(old, size) : [];
      await witness.addCheckpoint(encodeRequest(old, path, checkpoint));
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
    }
  }
}
