/** Every kind of key: one row each. A new kind is a row here, and is found by whoever lists keys of that kind. */
import type { KeyRole } from '@countersign/device-sdk/host/key-file';

/** Where it can be seen that a key signed: its signature itself, or an entry that could not be there without it. */
export type SeenIn = 'entries' | 'heads' | 'cosignatures' | 'roots' | 'rollouts' | 'issued' | 'nowhere';

export interface KindOfKey {
  seenIn: SeenIn;
  /** What would not work without it. */
  without: string;
}

export type KeyKind = KeyRole | 'grant';

export const KEY_KINDS: Readonly<Record<KeyKind, KindOfKey>> = {
  root: { seenIn: 'roots', without: 'no key can be replaced or revoked any more, by no new trust root' },
  collection: { seenIn: 'entries', without: 'no new release gets its first signature' },
  distribution: {
    seenIn: 'rollouts',
    without: 'no release gets its second signature, so no new one can be rolled out',
  },
  command: {
    seenIn: 'entries',
    without: 'no rollout opens, pauses or goes on; no report is acknowledged; devices without a clock install nothing',
  },
  log: { seenIn: 'heads', without: 'no new head: after its maximum age devices with a clock install nothing new' },
  orderer: { seenIn: 'heads', without: 'no new entry of any kind' },
  service: { seenIn: 'entries', without: 'approved releases are not confirmed, unless a person submits it' },
  peer: { seenIn: 'cosignatures', without: 'its cosignature is missing: below the quorum nothing new is announced' },
  person: { seenIn: 'entries', without: 'this person signs nothing; others propose and approve the next key' },
  grant: { seenIn: 'entries', without: 'no further device enrols itself under this grant' },
  kgc: {
    seenIn: 'issued',
    without: 'the centre issues no key for another epoch; those that it issued stay in force',
  },
  request: { seenIn: 'nowhere', without: 'what the centre answers to this request makes no key: ask again' },
  device: { seenIn: 'entries', without: 'this device cannot log in or report: it is enrolled anew with another key' },
};
