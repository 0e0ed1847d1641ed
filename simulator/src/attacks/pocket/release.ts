/** A release of the pocket publisher, and what may be said of it when it is made. */
import type { Manifest, Rollout, Signer } from '@countersign/device-sdk/format';

export interface PocketRelease {
  manifest: Manifest;
  manifestBytes: Uint8Array;
  leaf: Uint8Array;
  releaseLeaf: Uint8Array;
  leafIndex: number;
  block2: Uint8Array;
  image: Uint8Array;
  /** Images of further components, by id. */
  components: Readonly<Record<string, Uint8Array>>;
}

export interface PublishOptions {
  /** Images of further components, by id. */
  components?: Readonly<Record<string, Uint8Array>>;
  version?: string;
  policy?: number;
  /** Images of earlier releases to make deltas from. */
  bases?: PocketRelease[];
  change?: Partial<Manifest>;
  checkpointBytes?: number;
  /** Deltas for devices with one slot. */
  inPlace?: boolean;
  state?: number;
  rollout?: Partial<Rollout>;
  /** Bytes that stand in for what the encoder makes. */
  containers?: { delta?: Uint8Array; full?: Uint8Array };
  /** What the manifest says of its branches, where their headers cannot be read. */
  workspaceBytes?: number;
  /** Changes the manifest's bytes before anybody signs them. */
  rewrite?: (manifest: Uint8Array) => Uint8Array;
  /** Whose keys sign the two blocks. */
  signers?: { collection?: Signer; distribution?: Signer };
  previousLeaf?: Uint8Array;
  /** What block 2 says that it saw. */
  confirmed?: { releaseLeaf?: Uint8Array; size?: number; root?: Uint8Array };
}
