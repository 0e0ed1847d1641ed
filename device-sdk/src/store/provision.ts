/** The factory's step. An entry point of its own, for whoever writes the store is seldom the device itself. */
import { demand } from '../errors.ts';
import { type Provision, readProvision } from '../format/provision.ts';
import type { Flash, SlotNumber, Verifier } from '../ports.ts';
import { openRoot } from '../verify/root.ts';
import { Journal } from './journal.ts';
import { entriesOf } from './records.ts';
import type { State } from './state.ts';
import { Store } from './store.ts';

/**
 * Writes the provisioning record into a fresh store: once in a device's life, beside writing the image into the slot.
 * A device that is open on this flash is stopped by it.
 * @param slot where the factory image is
 * @throws Refusal BAD_PROVISION, MALFORMED, BAD_ROOT, BAD_KEY
 */
export function provisionStore(flash: Flash, verifier: Verifier, record: Uint8Array, slot: SlotNumber = 0): void {
  // Whatever may be refused comes before the erasing: the store may be a device's.
  const state = factoryState(verifier, readProvision(record), slot);
  Journal.format(flash).put(entriesOf(state, []));
  Store.open(flash, verifier);
}

function factoryState(verifier: Verifier, p: Provision, slot: SlotNumber): State {
  demand(p.deviceId, 'BAD_PROVISION', 'the provisioning record has no device id');
  const root = openRoot(verifier, p.trustRoot);
  demand(root.root.origin === p.head.origin, 'BAD_PROVISION', 'trust root and head are of different logs');
  const { manifestDigest, releaseLeaf, sequence, image, version, vendorId, classId, brokerId } = p;
  return {
    root,
    head: p.head,
    identity: { deviceId: p.deviceId, vendorId, classId, brokerId },
    running: { manifestDigest, releaseLeaf, sequence, image, version, slot },
    rolloutSequence: 0,
    floor: sequence,
    failed: [],
    counters: { login: 0, command: 0 },
    reports: { epoch: p.epoch ?? 0, counter: 0, previous: new Uint8Array(32) },
    pending: undefined,
    spent: undefined,
    handover: undefined,
    inPlace: undefined,
    told: [],
    missed: undefined,
    outbox: [],
    damaged: false,
  };
}
