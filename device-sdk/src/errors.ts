/**
 * Every refusal of Countersign is this one class with a code from this one list.
 * docs/REFUSALS.md says for each code what the caller should do; a test compares the two in both directions.
 */
export const CODES = [
  // Shape: bytes that are not what they claim to be. Nothing has been trusted yet.
  'MALFORMED', // not the exact canonical bytes of the expected structure
  'TOO_LARGE', // a declared or real size is over its limit
  'UNSUPPORTED', // well formed, but a command, algorithm or format this build does not have
  // Signatures and keys
  'BAD_KEY', // a public key that is small-order, non-canonical or not on its curve
  'BAD_SIGNATURE', // a signature does not verify under the key its slot demands
  'UNKNOWN_KEY', // the kid is not an accepted key of the expected role
  'WRONG_ROLE', // a valid key used in a slot of another role
  'WRONG_TYPE', // a statement of another protected typ
  'REVOKED', // the key was revoked before this was logged
  // Ledger proof
  'NO_RECEIPT', // receipt missing or its inclusion proof does not lead to the signed root
  'NO_QUORUM', // too few distinct cosignatures
  'BAD_CHAIN', // release chain or order of the two signatures does not hold
  'NOT_CURRENT', // the class index names another release
  'SPLIT_VIEW', // same size, other root; or a consistency proof that fails
  'STALE', // older than the stored head: not an error, an older announcement
  'FREEZE', // the head is older than the trust root's maximum age
  'OLD_ROOT', // the head names a newer trust root than the stored one; fetch roots first
  'BAD_ROOT', // a trust root that the thresholds do not accept, or out of order
  // Applicability
  'WRONG_VENDOR', // another vendor's device
  'WRONG_CLASS', // another product class
  'WRONG_COMPONENTS', // a release of other components than the device has
  'WRONG_BASE', // no branch of the manifest fits the running image
  'ROLLBACK', // sequence lower than the running one or the floor
  'NOT_IN_COHORT', // this device is not in the opened wave
  'NOT_OPEN', // the rollout is paused, aborted or outside its window
  'VETO', // the device's owner or state forbids it now (battery, busy, consent)
  'FAILED_BEFORE', // this release or branch is in the persistent failed list
  'RATE_LIMITED', // too many messages from one source
  // Resources
  'NO_SPACE', // the image does not fit the slot
  'NO_MEMORY', // the workspace demanded is larger than the device has
  'NO_STAGING', // an in-place delta without room to stage it whole
  // Fetch and apply
  'BAD_FRAME', // a frame does not match the hash chain
  'LINK_LOST', // the link failed or the server did not answer in time
  'CAP_REACHED', // fetches or bytes for this rollout are used up
  'BAD_DELTA', // a delta that breaks its own format or bounds
  'RESULT_MISMATCH', // the image written does not have the signed digest
  'FLASH_FAULT', // the flash refused an operation or reads back something else
  // Trial
  'SELF_TEST_FAILED', // the new image's self-test failed
  'TRIAL_TIMEOUT', // the new image never confirmed
  'BOOT_FAILED', // the boot loader fell back to the old slot
  // Stored state on the device
  'BAD_STATE', // the device's own journal holds nothing usable
  // Ledger and contract
  'NOT_PERMITTED', // the signer's role does not allow this action
  'SAME_PERSON', // uploader and approver must differ
  'CONFLICT', // the object changed since the version the statement names
  'NOT_FOUND', // no such object
  'EXISTS', // already there with other content
  'NOT_APPROVED', // approvals are missing
  'NOT_TRIED', // the product demands a trial record: absent, too small or failed
  'BAD_STATEMENT', // a transaction whose arguments contradict what they refer to
  'DUPLICATE', // this exact statement or counter has been logged already
  'BAD_COUNTER', // a counter or chain that does not continue the last one
  'BAD_BLOCK', // a block that does not follow the one before it, or contradicts itself
  'BAD_HEAD', // block files and signed head contradict each other
  'TORN', // the last block is incomplete inside the signed head
  'DIVERGED', // an outside ledger engine holds as final what our own replay refuses or has otherwise
  'BUSY', // a queue is full; come back later
  // Servers and clients
  'UNAUTHORIZED', // no token, or a wrong one
  'EXPIRED', // a token whose time is over
  'BAD_FACTOR', // the one-time code of a second factor is missing or wrong
  'FACTOR_USED', // a one-time code that was used, or one older than that
  'LOCKED_OUT', // too many wrong codes in a row: the person has to wait
  'BAD_REQUEST', // arguments missing or out of range
  'BAD_PROVISION', // a provisioning record that does not fit the image or device
  'UNREACHABLE', // a server does not answer
  'LOCKED', // another process holds this folder
  'BAD_STORE', // a file or folder of ours is damaged, missing or has wrong permissions
  'TRIAL_RIG', // a candidate delta failed on the virtual rig and was not signed
  'INTERNAL', // a fault of ours: report it
] as const;

export type Code = (typeof CODES)[number];

/** A refusal with a code for machines and a sentence for people: what was expected, what came. */
export class Refusal extends Error {
  readonly code: Code;
  constructor(code: Code, text: string, options?: { cause?: unknown }) {
    super(text, options);
    this.name = 'Refusal';
    this.code = code;
  }
}

/** Throws a {@link Refusal} unless the condition holds. */
export function demand(condition: unknown, code: Code, text: string): asserts condition {
  if (!condition) throw new Refusal(code, text);
}

/** The code of anything thrown: a Refusal's own, INTERNAL for all else. */
export function codeOf(error: unknown): Code {
  return error instanceof Refusal ? error.code : 'INTERNAL';
}
