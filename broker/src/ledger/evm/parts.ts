/** What the rooms of this engine share. */
import type { Verifier } from '@countersign/device-sdk';
import { hex, type Manifest } from '@countersign/device-sdk/format';
import type { Execution } from '../execution.ts';
import type { BatchFiles } from './batches.ts';
import type { Chain } from './chain.ts';
import type { EvmProfile } from './profile.ts';

/** A new execution over the ledger as it stands: nothing of it is kept. */
export type Speculate = () => Execution;

/** CIDs in binary, images first. At most 16 go onto the chain. */
export type ReleaseContents = (manifest: Manifest) => Promise<Uint8Array[]>;

export interface EvmParts {
  chain: Chain;
  profile: EvmProfile;
  files: BatchFiles;
  verifier: Verifier;
  /** Tries entries over the ledger as it stands here. */
  speculate: Speculate;
  /** CIDs of a release's images and deltas. */
  contents: ReleaseContents;
  /** Class ids in hex that have a rollout which is not aborted. */
  rolling: () => Promise<readonly string[]>;
  /** Hears of a transaction that the node did not take; it is sent again. */
  troubled?: ((error: unknown) => void) | undefined;
}

/** As the contract takes digests; a shorter id stands at the front. */
export function asBytes32(bytes: Uint8Array): `0x${string}` {
  return `0x${hex(bytes).padEnd(64, '0')}`;
}
