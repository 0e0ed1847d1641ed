/** What an audit says. */
import type { Code } from '@countersign/device-sdk';

export interface Problem {
  code: Code;
  /** File, bytes, block, transaction: as near as it can be told. */
  where: string;
  text: string;
}

export interface AuditResult {
  ok: boolean;
  /** True only when a trust root and a head from outside were given and both hold. */
  anchored: boolean;
  /** Leaves that were verified. */
  entries: number;
  blocks: number;
  /** Merkle root over them, hex. */
  root: string;
  cosignatures: number;
  problems: Problem[];
  /** What this result does not prove, and what was seen beside it. */
  note: string;
}
