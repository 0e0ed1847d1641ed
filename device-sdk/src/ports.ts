/**
 * What a device gives the SDK. Nothing in the SDK reaches past these: no Node, no clock, no randomness of its own.
 * Flash, BootControl and Verifier are synchronous (a flash driver blocks anyway); Link, KeyStore and Veto are not.
 */

import type { Code } from './errors.ts';
import type { ImplicitPart } from './format/implicit.ts';

/**
 * One region of NOR-like flash: a slot, or the store region of the journal.
 * Erased cells read 0xff. `write` goes to erased cells only and starts and ends on `writeBytes`;
 * `erase` starts and ends on `eraseBytes`. Faults are thrown as Refusal FLASH_FAULT.
 */
export interface Flash {
  /** Size of the region in bytes, a multiple of `eraseBytes`. */
  readonly bytes: number;
  readonly writeBytes: number;
  readonly eraseBytes: number;
  read(offset: number, into: Uint8Array): void;
  write(offset: number, bytes: Uint8Array): void;
  erase(offset: number, length: number): void;
}

/** Slot 0 or slot 1 of an A/B pair; a device with one slot has slot 0. */
export type SlotNumber = 0 | 1;

/**
 * The slots of a further component (a radio, a co-processor) of a device with two slots. Slots 0 of all components are
 * one release and slots 1 the other: what the boot loader switches, it switches for all of them at once, and whoever
 * starts a component loads it from the slot with the number that was booted.
 */
export interface ComponentSlots {
  id: string;
  slots: readonly [Flash, Flash];
}

/** The slots of the application, and those of further components in the product's order. A pair of flashes is one. */
export interface TwoSlots {
  readonly 0: Flash;
  readonly 1: Flash;
  readonly components?: readonly ComponentSlots[];
}

/** The flash of a device with one slot. Its boot stage calls `bootInPlace`; `oneSlot` makes it the device's slots. */
export interface OneSlotFlash {
  slot: Flash;
  /** One page: at least as large as the blocks of the deltas, which are whole erase blocks of both. */
  scratch: Flash;
  /** Holds a whole delta with its hashes before the first page is written. */
  staging: Flash;
}

/**
 * The boot loader's own small state. Every call is atomic and durable when it returns.
 * Life: `setTrial(slot)` → restart → the loader boots `slot` once with attempts counted before the jump →
 * the application calls `confirm()`; without it the next boot goes back to the other slot.
 */
export interface BootControl {
  /** The slot that is running now. */
  running(): SlotNumber;
  /** True while the running slot is on trial and not confirmed. */
  onTrial(): boolean;
  /** Boot `slot` next, on trial. */
  setTrial(slot: SlotNumber): void;
  /** Keep the running slot for good. */
  confirm(): void;
  /** The loader must never boot this slot again (an image below the floor, or a torn one). */
  markUnbootable(slot: SlotNumber): void;
  /** Ask for a restart. It may return before the restart happens. */
  restart(): void;
  /** Why the loader gave the last trial up, where it knows: it is what the device reports then. */
  reason?(): Code | undefined;
}

/** Incremental hash. `digest` ends it. */
export interface Hash {
  update(bytes: Uint8Array): void;
  digest(): Uint8Array;
}

/**
 * Signature verification and SHA-256. Three backends exist (crypto/noble, crypto/tweetnacl, host/crypto) and agree on
 * every input: Ed25519 is cofactorless with canonical encodings only (FORMAT, rule Ed25519; RFC 8032 section 5.1.7).
 */
export interface Verifier {
  /** COSE algorithm numbers this backend has: -19 Ed25519, -9 ESP256. */
  readonly algorithms: readonly number[];
  /**
   * @param publicKey 32 bytes for Ed25519; 65 bytes uncompressed point (04 || x || y) for ESP256.
   * @param signature 64 bytes: R || S, or r || s.
   * @returns false for every input that does not verify, wrong lengths included. Never throws.
   */
  verify(alg: number, publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean;
  /**
   * Checks a key once, when it is enrolled: canonical, on the curve, torsion-free, not of small order.
   * @throws Refusal BAD_KEY, UNSUPPORTED
   */
  checkKey(alg: number, publicKey: Uint8Array): void;
  sha256(bytes: Uint8Array): Uint8Array;
  hash(): Hash;
  /** Absent in a build that knows no implicit keys (crypto/ecqv). */
  readonly implicit?: ImplicitPart;
}

/** The device's own signing key. The private key never leaves it. */
export interface KeyStore {
  readonly alg: number;
  readonly publicKey: Uint8Array;
  sign(message: Uint8Array): Promise<Uint8Array>;
}

/** What the network hands up. Every byte of it is hostile. */
export interface LinkEvents {
  up(): void;
  down(): void;
  /** A message on the class's announce topic. */
  announcement(bytes: Uint8Array): void;
  /** An answer to a request (topic `frm`). */
  answer(bytes: Uint8Array): void;
  /** A command or an acknowledgement (topic `cmd`). */
  command(bytes: Uint8Array): void;
}

/**
 * One way to the distribution server. It reconnects by itself; `up` and `down` tell of it.
 * @see FORMAT, topics; MQTT 3.1.1
 */
export interface Link {
  /** Begins connecting. `login` is called for each connection and gives a fresh login statement. */
  open(events: LinkEvents, login: () => Promise<Uint8Array>): void;
  /** Sends a request. Rejects with LINK_LOST when not connected. */
  request(bytes: Uint8Array): Promise<void>;
  /** Sends a report. Delivery is proven by the signed acknowledgement alone. */
  report(bytes: Uint8Array): Promise<void>;
  /**
   * The device has been lied to or starved by this link while it was up: wrong frames, a flood or a trickle, proofs that
   * prove nothing, silence where an answer was due. A link that has another way takes it; one that has none leaves this
   * out. It must not throw, and may call `down` before it returns. At most once for each attempt of the device.
   */
  distrust?(): void;
  close(): Promise<void>;
}

/** Wall clock, if the device has one it trusts. */
export interface Clock {
  /** Seconds since the Unix epoch, or undefined where there is none. */
  now(): number | undefined;
}

/** Time that only passes: for timeouts and jitter. */
export interface Timer {
  /** Calls back once after at least `ms` milliseconds; the returned function cancels it. */
  after(ms: number, call: () => void): () => void;
}

export interface Entropy {
  /** Unpredictable bytes for nonces and jitter. */
  random(bytes: number): Uint8Array;
}

/**
 * The stages at which the owner of the device may say "not now". Each is asked again whenever it is reached again.
 * fetch: a verified release, or the rest of it, is about to be fetched; the link will be used;
 * install: right after it, before the first byte of the other slot is erased or written. Frames are written as they
 * come, so there is no later moment; an image that is in its slot already asks for neither;
 * restart: the image is in the other slot and proven; its trial, which begins with a restart, would be next.
 */
export type VetoStage = 'fetch' | 'install' | 'restart';

/** Battery, busy, consent, maintenance window: true means go on. No answer within a minute, or a broken one, means no. */
export interface Veto {
  allow(stage: VetoStage, release: { sequence: number; version: string; policy: number }): Promise<boolean>;
}

/** The application's own checks of a new image on trial. */
export interface Health {
  /** Resolves true when the image works; false or a rejection reverts it. */
  selfTest(): Promise<boolean>;
  /** The trial is over when this many milliseconds have passed without a result. */
  readonly deadlineMs: number;
}
