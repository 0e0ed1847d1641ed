/** What each code means and what to do about it: the sentences of docs/REFUSALS.md, for people at a terminal. */
import type { Code } from '@countersign/device-sdk';

export const EXPLAINED: Readonly<Record<Code, readonly [what: string, toDo: string]>> = {
  MALFORMED: [
    'These are not the exact canonical bytes of the expected structure.',
    'Fetch anew; if it stays, the sender is broken or hostile. Sending it again changes nothing.',
  ],
  TOO_LARGE: [
    'A declared or real size is over its limit.',
    'Send less at once. The limit stands in the sentence and beside its constant.',
  ],
  UNSUPPORTED: [
    'Well formed, but with a command, algorithm or version that this build does not have.',
    'Update the side that refuses, or have the statement made for it.',
  ],
  BAD_KEY: [
    'A public key is small-order, non-canonical or not on its curve.',
    'Never accept it. Ask its owner for another key, by another way.',
  ],
  BAD_SIGNATURE: [
    'A signature does not verify under the key that its slot demands.',
    'Treat it as tampering until shown otherwise; fetch anew once.',
  ],
  UNKNOWN_KEY: [
    'The key id is no accepted key of the expected role.',
    'Fetch the newest trust root; if it is still unknown, the signer is not entitled.',
  ],
  WRONG_ROLE: [
    'A valid key was used in a slot of another role.',
    'Do not retry. Somebody uses a key for what it is not for: find out who.',
  ],
  WRONG_TYPE: [
    'A statement of another protected type stands where this one is expected.',
    'Do not retry. A statement was replayed in another place.',
  ],
  REVOKED: ['The key was revoked before this was logged.', 'Have it signed by a key that is valid now.'],
  NO_RECEIPT: [
    'The receipt is missing, or its inclusion proof does not lead to the signed root.',
    'Ask the distribution server for a new announcement. Devices do so by themselves.',
  ],
  NO_QUORUM: [
    'Too few distinct peers cosigned the head.',
    'See which peers are down; the announcement is issued again when enough of them signed.',
  ],
  BAD_CHAIN: [
    'The chain of releases, or the order of the two signatures, does not hold.',
    'Fetch the skipped entries; if it stays, audit the ledger.',
  ],
  NOT_CURRENT: [
    'The class index names another release: this one was withdrawn or overtaken. Of a component in a report: another image of it runs than the release names.',
    'Install the one that the index names. Of a component nothing: its trial begins, and the next report says how it ended.',
  ],
  SPLIT_VIEW: [
    'Two heads of one size differ, or a consistency proof fails: somebody shows two histories.',
    'Stop. Keep both heads, run `countersign audit` against each, and call a human.',
  ],
  STALE: [
    'Older than the head that is stored. Not an error: an older announcement.',
    'Nothing. The newer one is on its way or can be asked for.',
  ],
  FREEZE: [
    'The newest head that arrives is older than the trust root allows.',
    'Running firmware goes on. Look whether the ledger signs, and who holds the network back.',
  ],
  OLD_ROOT: [
    'The head names a newer trust root than the one that is stored.',
    'Fetch the trust roots in order, then try again. Devices do so by themselves.',
  ],
  BAD_ROOT: [
    'A trust root that the thresholds do not accept, or one out of order.',
    'Keep the stored one. Have the new one signed by enough root keys of both versions.',
  ],
  WRONG_VENDOR: ["The manifest is for another vendor's device.", 'Do not retry: it was sent to the wrong fleet.'],
  WRONG_CLASS: ['The manifest is for another product class.', 'Do not retry: it was sent to the wrong product.'],
  WRONG_COMPONENTS: [
    'The release has other components than the device: more, fewer, or in another order.',
    "Do not retry: a product's components never change. Publish what the product was made with, or make another product.",
  ],
  WRONG_BASE: [
    'No branch of the manifest fits the running image.',
    'Publish with this image among the bases; the full image is always the last branch.',
  ],
  ROLLBACK: [
    'The sequence is lower than the running one or the floor.',
    'To go back, publish the old bytes as a new release with `--downgrade`.',
  ],
  NOT_IN_COHORT: ['This device is not in a wave that is open.', 'Wait: a later wave lets it in.'],
  NOT_OPEN: ['The rollout is paused, aborted or outside its window.', 'Wait, or have an operator resume it.'],
  VETO: [
    'The owner or the state of the device forbids it now: battery, work in progress, consent.',
    'Wait: it is asked again.',
  ],
  FAILED_BEFORE: [
    "This release or branch is in the device's list of what failed.",
    'Publish a corrected release: this one will not be tried again on this device.',
  ],
  RATE_LIMITED: ['Too many messages from one source.', 'Wait as long as the answer says, then send fewer.'],
  NO_SPACE: ['The image does not fit the slot.', "Make the image smaller; check the product's slot size."],
  NO_MEMORY: ['The workspace that is demanded is larger than the device has.', 'Publish for a smaller memory class.'],
  NO_STAGING: [
    'One slot, and no room to stage the container whole, or its pages do not fit the scratch page. From `publish`: no branch fits the staging area of the product.',
    'Publish a delta from what the device runs, or give it a larger staging area.',
  ],
  BAD_FRAME: [
    'A frame does not match the hash chain.',
    'The device fetches it again, and elsewhere where it can. Where a store says it: restore the file.',
  ],
  LINK_LOST: [
    'The link failed, or the server did not answer in time.',
    'The device goes on where it stopped when the link is back.',
  ],
  CAP_REACHED: [
    'The fetches or the bytes for this rollout are used up.',
    "See the device's earlier reports for why. Lost fetches are forgiven after a day; for the bytes open a new rollout, or send the device a command: `countersign devices retry`.",
  ],
  BAD_DELTA: [
    'A delta breaks its own format or bounds.',
    'Do not retry. It was tried on the rig before it was signed: compare versions of the decoder.',
  ],
  RESULT_MISMATCH: [
    'The image that was written has not the signed digest.',
    'The old image stays. After two failures the device takes the next branch.',
  ],
  FLASH_FAULT: [
    'The flash refused an operation, or reads back something else.',
    'Look at the device: its flash is worn or damaged.',
  ],
  SELF_TEST_FAILED: [
    'The self-test of the new image failed; the old one runs again.',
    'Correct the image. Compare hardware revisions of those that failed.',
  ],
  TRIAL_TIMEOUT: [
    'The new image never confirmed itself; the old one runs again.',
    'Correct the image: it hangs, or the watchdog is shorter than its start.',
  ],
  BOOT_FAILED: ['The boot loader fell back to the old slot.', 'Check load address and vector table of the image.'],
  BAD_STATE: [
    "The device's own journal holds nothing usable, or names a component for which the ports have no slots.",
    'Enrol it as a new device and provision it again; or give the ports the slots of every component.',
  ],
  NOT_PERMITTED: [
    'The role of the signer does not allow this action.',
    'Have it signed by somebody with the role; the sentence names it.',
  ],
  SAME_PERSON: [
    'Uploader and approver, or proposer and approver, are one person.',
    'Ask a colleague: four eyes are the point.',
  ],
  CONFLICT: [
    'The object changed since the version that the statement names.',
    'Look at it again, and repeat the command if it is still what you want.',
  ],
  NOT_FOUND: [
    'There is no such object.',
    'Check the name; `releases`, `devices` and `rollout list` show what there is.',
  ],
  EXISTS: ['It is there already, with other content.', 'Choose another name or version: nothing is ever replaced.'],
  NOT_APPROVED: ['Approvals are missing.', 'Have a second person run `countersign approve`.'],
  NOT_TRIED: [
    'The product demands a trial record of the release, and it is absent, too small or failed.',
    'Have a tester run `countersign trial`; where it failed, correct the image and publish it anew.',
  ],
  BAD_STATEMENT: [
    'The arguments of a transaction contradict what they refer to.',
    'Do not sign it again as it is; compare it with what it names.',
  ],
  DUPLICATE: ['This very statement or counter has been logged already.', 'Nothing: what you wanted has happened.'],
  BAD_COUNTER: [
    'A counter or chain does not continue the last one.',
    'A device: it has been cloned or its state was lost; look at its history.',
  ],
  BAD_BLOCK: [
    'A block does not follow the one before it, or contradicts itself.',
    'Stop the ledger, keep the files, restore from a backup that the audit accepts.',
  ],
  BAD_HEAD: [
    'Block files and signed head contradict each other.',
    "The same: files were changed or lost behind the ledger's back.",
  ],
  TORN: [
    'The last block is incomplete inside the signed head.',
    'The same. What was signed is never cut off silently.',
  ],
  DIVERGED: [
    'An outside ledger engine holds as final what this ledger refuses, or has otherwise.',
    'Stop, keep both, and call a human: the sentence names the block and the transaction. Reading goes on; nothing more is written.',
  ],
  BUSY: ['A queue is full, or the server is stopping.', 'Come back later.'],
  UNAUTHORIZED: [
    "No token, or a wrong one: one that was revoked, another server's, or of a person who has left.",
    'Give `--data DIR` or `--token`; where the token is lost, `countersign up --new-token` makes another.',
  ],
  EXPIRED: [
    'The time of this token is over.',
    'Have the owner of the server make another: `countersign keys token new`.',
  ],
  BAD_FACTOR: [
    'The one-time code of the second factor is missing or wrong.',
    'Give the code that the authenticator shows now: `--code DIGITS`. If it stays wrong, compare the clocks of both.',
  ],
  FACTOR_USED: [
    'This one-time code was used already, or it is older than one that was.',
    "Wait for the next code. If nobody of yours used it, somebody watches: change key, token and factor. If every code is refused so, the server's clock was ahead for a time: `people totp NAME --renew`.",
  ],
  LOCKED_OUT: [
    'Too many wrong one-time codes in a row for one person.',
    'Wait as long as the sentence says. The tries were signed with that person’s key: find out who made them.',
  ],
  BAD_REQUEST: ['Arguments are missing or out of range.', 'Correct the call; the sentence says which.'],
  BAD_PROVISION: [
    'The provisioning record does not fit the image or the device.',
    'Fetch record and image of one and the same release.',
  ],
  UNREACHABLE: ['A server does not answer.', 'Check address and network; see whether `countersign up` is running.'],
  LOCKED: ['Another process holds this folder.', 'Stop the other process, or use another folder.'],
  BAD_STORE: [
    'A file or folder of ours is damaged, missing or has wrong permissions.',
    'Do what the sentence says (chmod, passphrase); else restore the folder from a backup.',
  ],
  TRIAL_RIG: [
    'A delta failed on the virtual rig and was not signed.',
    'Read the sentence: what did not boot there would not boot in the field.',
  ],
  INTERNAL: ['A fault of ours.', "Report it, with what was done and the server's log."],
};
