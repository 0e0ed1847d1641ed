/** Every kind of key: one row each. A new kind is a row here, and is found by whoever lists keys of that kind. */
import type { KeyRole } from '@countersign/device-sdk/host/key-file';

export interface KindOfKey {
  /** Where its signatures can be seen: in entries under its key id, in heads, or in neither. */
  signs: 'entries' | 'heads' | 'elsewhere';
  /** What would not work without it. */
  without: string;
}

export type KeyKind = KeyRole | 'grant';

export const KEY_KINDS: Readonly<Record<KeyKind, KindOfKey>> = {
  root: { signs: 'elsewhere', without: 'no key can be replaced or revoked any more, by no new trust root' },
  collection: { signs: 'entries', without: 'no new release gets its first signature' },
  distribution: {
    signs: 'elsewhere',
    without: 'no release gets its second signature, so no new one can be rolled out',
  },
  command: {
    signs: 'entries',
    without: 'no rollout opens, pauses or goes on; no report is acknowledged; devices without a clock install nothing',
  },
  log: { signs: 'heads', without: 'no new head: after its maximum age devices with a clock install nothing new' },
  orderer: { signs: 'heads', without: 'no new entry of any kind' },
  service: { signs: 'entries', without: 'approved releases are not confirmed, unless a person submits it' },
  peer: { signs: 'elsewhere', without: 'its cosignature is missing: below the quorum nothing new is announced' },
  person: { signs: 'entries', without: 'this person signs nothing; the others can enrol a new key for a new name' },
  grant: { signs: 'entries', without: 'no further device enrols itself under this grant' },
  kgc: {
    signs: 'elsewhere',
    without: 'the centre issues no key for another epoch; those that it issued stay in force',
  },
  request: { signs: 'elsewhere', without: 'what the centre answers to this request makes no key: ask again' },
  device: { signs: 'entries', without: 'this device cannot log in or report: it is enrolled anew with another key' },
};
