import { Refusal } from '../errors.ts';
import type { ImplicitPart } from '../format/implicit.ts';
import type { Hash, Verifier } from '../ports.ts';
import { ED25519, ESP256, IMPLICIT_KEY_BYTES } from './algorithms.ts';
import { checkEd25519Key, ed25519Plausible } from './ed25519-guard.ts';
import { checkEsp256Key, esp256Plausible } from './esp256-guard.ts';

/** One signature equation. It may throw on input it cannot decode: that counts as "does not verify". */
export type Equation = (publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array) => boolean;

/** What a backend brings: bare equations and SHA-256. Every rule beyond the equation stands in the guards. */
export interface Backend {
  /** encode(sB - hA) equals R byte for byte, without a cofactor. */
  readonly ed25519?: Equation;
  /** ECDSA on P-256 with SHA-256; a high s is valid. */
  readonly esp256?: Equation;
  readonly implicit?: ImplicitPart;
  sha256(bytes: Uint8Array): Uint8Array;
  hash(): Hash;
}

/**
 * Puts the same guards around any backend. Backends differ in what they accept beyond the equation (s >= L,
 * points of small order, a second encoding of a point), so none of them decides that: two honest verifiers must not differ.
 */
export function guardedVerifier(backend: Backend): Verifier {
  const slots = new Map<number, Slot>();
  if (backend.ed25519) slots.set(ED25519, slot(ed25519Plausible, backend.ed25519, checkEd25519Key));
  if (backend.esp256) slots.set(ESP256, esp256Slot(backend.esp256, backend.implicit));
  return {
    algorithms: Object.freeze([...slots.keys()]),
    verify(alg, publicKey, message, signature) {
      const found = slots.get(alg);
      return found !== undefined && holds(found, publicKey, message, signature);
    },
    checkKey(alg, publicKey) {
      const found = slots.get(alg);
      if (!found) throw new Refusal('UNSUPPORTED', `no signature algorithm ${alg} in this build`);
      found.checkKey(publicKey);
    },
    sha256: (bytes) => backend.sha256(bytes),
    hash: () => backend.hash(),
    ...(backend.implicit && { implicit: backend.implicit }),
  };
}

interface Slot {
  plausible(publicKey: Uint8Array, signature: Uint8Array): boolean;
  equation: Equation;
  checkKey(publicKey: Uint8Array): void;
}

function slot(plausible: Slot['plausible'], equation: Equation, checkKey: Slot['checkKey']): Slot {
  return { plausible, equation, checkKey };
}

/** With or without implicit keys. Where they are not built in, none verifies anything. */
function esp256Slot(equation: Equation, implicit: Backend['implicit']): Slot {
  const explicit = (key: Uint8Array) => {
    if (key.length !== IMPLICIT_KEY_BYTES) return key;
    if (!implicit) throw new Refusal('UNSUPPORTED', 'no implicit keys in this build');
    return implicit.derive(key);
  };
  return {
    plausible: (key, signature) => esp256Plausible(key.length === IMPLICIT_KEY_BYTES ? NO_KEY : key, signature),
    equation: (key, message, signature) => equation(explicit(key), message, signature),
    checkKey: (key) => checkEsp256Key(explicit(key)),
  };
}

/** Has the shape of a key: that of an implicit one is looked at when it is derived. */
const NO_KEY = Uint8Array.of(4, ...new Uint8Array(64));

function holds(slot: Slot, publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  if (!isBytes(publicKey) || !isBytes(message) || !isBytes(signature)) return false;
  if (!slot.plausible(publicKey, signature)) return false;
  try {
    return slot.equation(publicKey, message, signature);
  } catch {
    return false;
  }
}

function isBytes(value: unknown): value is Uint8Array {
  return value instanceof Uint8Array;
}
