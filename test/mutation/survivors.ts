/**
 * Checks whose removal no row notices, each with the reason: another check stands behind it and says the same, or what it
 * guards against comes from the device's own flash, a server's own disk, or our own mistakes, and is tried elsewhere. A
 * check that is noticed may not stand here: the long suite draws samples, and the tool looks at all.
 */

export interface Survivors {
  why: string;
  /** As the tool names them. */
  checks: readonly string[];
}

export const SURVIVORS: readonly Survivors[] = [
  {
    why: 'a bundle that is cut has another digest: readHead; these two say what is wrong before more is read; test/device-sdk/bundle',
    checks: [
      'device-sdk/host/bundle/file.ts constructor demand this.bytes >= START_BYTES + headBytes',
      'device-sdk/host/bundle/file.ts #read demand done === length',
    ],
  },
  {
    why: 'peaks that are not one for each bit of the base are refused before, and no path goes below the base: checkGrowth, growthPath',
    checks: ['device-sdk/host/bundle/growth.ts treeRoot demand start >= from'],
  },
  {
    why: "a file that is not there, and a report that waits in the device's outbox whatever the link says of it: nobody's lie",
    checks: [
      'device-sdk/host/bundle/file.ts open throw NOT_FOUND',
      'device-sdk/host/bundle/link.ts report throw LINK_LOST',
    ],
  },
  {
    why: "a mistake in the owner's own profile; test/device-sdk/host-profile",
    checks: ['device-sdk/host/relay/profile.ts readRelayProfile demand !itself'],
  },
  {
    why: 'as many components as that have no room for their branches or are too many together: faultOf, in readManifest',
    checks: ['device-sdk/src/format/suit.ts readComponents demand i < COMPONENTS_MAX'],
  },
  {
    why: 'an answer of another kind than the question is passed over before: fetch/asker.ts',
    checks: [
      'device-sdk/src/fetch/issued.ts entryOf demand answer.kind === ISSUED',
      'device-sdk/src/fetch/issued.ts checkOneHistory demand answer.kind === CONSISTENCY',
    ],
  },
  {
    why: 'a nonce of another length is refused where its bytes are read: asBytes',
    checks: ['broker/src/ledger/contract/issue-key-args.ts readPossession demand bytes.length === NONCE_BYTES'],
  },
  {
    why: 'a field too few is none where it is read; one too many is not written again: sameBytes in the same function',
    checks: ['device-sdk/src/format/root.ts readRootPayload demand items.length === 8 || items.length === 9'],
  },
  {
    why: 'a build without the part for implicit keys; the devices of the suite have it: test/device-sdk/issued-keys',
    checks: ['device-sdk/src/verify/root.ts checkKeys demand known'],
  },
  {
    why: "the point's own centre is looked up by that thumbprint wherever one is read; for code that has another at hand: test/vectors/ecqv",
    checks: [
      'device-sdk/src/format/implicit.ts implicitPublicKey demand equal(thumbprint(sha256, centre), key.centre)',
    ],
  },
  {
    why: "the factory's record is as trustworthy as the factory; tried in test/vectors",
    checks: [
      'device-sdk/src/format/provision.ts readComponents demand items.length > 0 && items.length < COMPONENTS_MAX',
      'device-sdk/src/format/provision.ts readProvision demand fields.length === 6 || fields.length === 7',
    ],
  },
  {
    why: "the owner's ports without slots for a component, or our own order of work; tried in test/device-sdk",
    checks: [
      'device-sdk/src/fetch/target.ts pairOf demand pair',
      'device-sdk/src/install/installer.ts #take demand pending',
    ],
  },
  {
    why: 'a limit for `inspect` alone; a device reads without it, within its limits on bytes',
    checks: ['device-sdk/src/format/cbor.ts item demand this.#itemsLeft-- > 0'],
  },
  {
    why: 'saves the work of a false count; the next missing byte refuses it: #take',
    checks: ['device-sdk/src/format/cbor.ts #map demand 2 * count <= this.#left()'],
  },
  {
    why: 'two equal keys are refused by their order before; only `inspect` reads unsorted maps',
    checks: ['device-sdk/src/format/cbor.ts #map demand !map.has(key)'],
  },
  {
    why: 'a map with such a key has not the keys its reader names: asExactMap, and the comparison with what is written again',
    checks: ["device-sdk/src/format/cbor.ts #key demand typeof key === 'number' || typeof key === 'string'"],
  },
  {
    why: 'an indefinite head is read as a number of 128 bytes and more, which is beyond 2^53 or cut off: the two checks after it',
    checks: ['device-sdk/src/format/cbor.ts #argument demand info < 28'],
  },
  {
    why: "such a number is a length that is not there, or out of every field's range: #take, asUint",
    checks: ['device-sdk/src/format/cbor.ts #argument demand n <= Number.MAX_SAFE_INTEGER'],
  },
  {
    why: 'what is cut off gives fewer bytes than the item claims: decode compares where the reader stands with the length',
    checks: ['device-sdk/src/format/cbor.ts #take demand count <= this.#left()'],
  },
  {
    why: 'for people: keys of SUIT texts, which `inspect` alone reads',
    checks: ["device-sdk/src/format/cbor.ts arrayKey demand item instanceof Uint8Array || typeof item === 'number'"],
  },
  {
    why: 'writing, not reading: a key of our own with an algorithm that we do not have',
    checks: ['device-sdk/src/format/cose.ts coseKey throw UNSUPPORTED'],
  },
  {
    why: 'a leaf hash is made by our own SHA-256, never read',
    checks: ['device-sdk/src/format/merkle.ts rootFromInclusion demand leaf.length === HASH_BYTES'],
  },
  {
    why: 'a path of another length leads to another root, which the log has not signed: the signature of the head',
    checks: ['device-sdk/src/format/merkle.ts rootFromInclusion demand hash.length === HASH_BYTES && sn > 0'],
  },
  {
    why: 'sizes are compared before any proof is asked for: checkSuccession',
    checks: ['device-sdk/src/format/merkle.ts checkConsistency demand fits'],
  },
  {
    why: 'heads of one size are compared without a proof: checkSuccession',
    checks: ['device-sdk/src/format/merkle.ts checkConsistency demand path.length === 0 && equal(root1, root2)'],
  },
  {
    why: 'a proof of another length gives another root: the comparison at the end of the same function',
    checks: [
      'device-sdk/src/format/merkle.ts checkConsistency demand first && path.length > 0',
      'device-sdk/src/format/merkle.ts checkConsistency demand sn > 0',
    ],
  },
  {
    why: 'a kind that nobody knows is read as a command, whose typ it has not: readStatement',
    checks: ['device-sdk/src/format/statement.ts kindOf demand kind'],
  },
  {
    why: 'bare heads are read by servers and auditors, who check the signature over all of it; unprotected members change nothing',
    checks: [
      'device-sdk/src/format/head.ts readHead demand bytes.length <= HEAD_BYTES_MAX',
      'device-sdk/src/format/head.ts readHead demand signed.sign1.unprotected.size === 0',
    ],
  },
  {
    why: 'our own fault: one install and one proof at a time open fewer',
    checks: ['device-sdk/src/fetch/asker.ts stream demand this.#open.size < OPEN_REQUESTS_MAX'],
  },
  {
    why: "version 0 follows no version: nextRoot; a first root of version 0 is the factory's own mistake",
    checks: ['device-sdk/src/format/root.ts readRootPayload demand root.version >= 1'],
  },
  {
    why: 'spares the check of a signature by another key, which would fail: checkStatement',
    checks: ['device-sdk/src/verify/root.ts isSignedBy guard !equal(statement.kid, kidOf(verifier.sha256, key))'],
  },
  {
    why: 'an empty answer brings no version nearer: ROOT_ROUNDS_MAX',
    checks: ['device-sdk/src/fetch/proofs.ts fetchRoots demand roots.length > 0'],
  },
  {
    why: 'an answer of another kind than the question never reaches it: Asker.deliver',
    checks: ['device-sdk/src/fetch/proofs.ts expect throw MALFORMED'],
  },
  {
    why: 'broken hardware: cells that do not take what is written; test/device-sdk/slots, rig-flash',
    checks: ['device-sdk/src/store/units.ts demandReadBack throw FLASH_FAULT'],
  },
  {
    why: "the decoder's limits and NO_SPACE of selectBranch come first; the slot is read back against the digest",
    checks: [
      'device-sdk/src/store/slots.ts write demand after <= this.#imageBytes',
      'device-sdk/src/store/slots.ts finish demand this.#offset === this.#imageBytes',
      'device-sdk/src/store/slots.ts demandFits demand bytes <= flash.bytes',
    ],
  },
  {
    why: 'a signature by another algorithm does not verify under the key: the line after it',
    checks: ['device-sdk/src/verify/signed.ts checkSign1 demand alg === key.alg'],
  },
  {
    why: 'a branch of another length is not what is written again: sameBytes in readManifest',
    checks: ['device-sdk/src/format/suit.ts readBranch demand based || commands.length === 10'],
  },
  {
    why: "the device's own flash, decayed or torn: test/power-cut/journal, test/property/storage",
    checks: [
      'device-sdk/src/store/banks.ts demandNeverUsed throw BAD_STATE',
      'device-sdk/src/store/journal.ts #moveOn throw NO_SPACE',
      'device-sdk/src/store/records.ts load demand root',
      'device-sdk/src/store/store.ts loadWhole throw BAD_STATE',
    ],
  },
  {
    why: 'the same limit stands at the door: Work.receive',
    checks: ['device-sdk/src/format/announcement.ts readAnnouncement demand bytes.length <= ANNOUNCEMENT_BYTES_MAX'],
  },
  {
    why: 'frames of another length are dropped before: FrameWindow.offer',
    checks: [
      'device-sdk/src/format/frames.ts openFrame demand index < p.frameCount && frame.length === frameLength(p, index)',
    ],
  },
  {
    why: 'after the last frame nothing is asked for: Fetcher.next',
    checks: [
      'device-sdk/src/fetch/window.ts ask guard !this.#position',
      'device-sdk/src/fetch/window.ts lost guard !this.#position',
    ],
  },
  {
    why: 'spares memory for a frame that is there already; each is proven when it is taken',
    checks: ['device-sdk/src/fetch/window.ts offer guard this.#waiting.has(index)'],
  },
  {
    why: 'a window that the integrator made too small for one frame',
    checks: ['device-sdk/src/fetch/fetcher.ts constructor demand width >= 1'],
  },
  {
    why: 'one of several limits on one header; what it lets pass is refused by the workspace formula, by class and slot limits, or by the decoder (test/fuzz/delta); with another code or the same',
    checks: [
      'device-sdk/src/delta/header.ts readFields demand name !== undefined',
      'device-sdk/src/delta/header.ts checkHeader demand h.pageBits >= PAGE_BITS_MIN && h.pageBits <= PAGE_BITS_MAX',
      'device-sdk/src/delta/header.ts checkHeader demand interval === 0 || (interval >= least && interval <= CHECKPOINT_BITS_MAX)',
      'device-sdk/src/delta/header.ts checkHeader demand h.newBytes <= IMAGE_BYTES_MAX && h.oldBytes <= IMAGE_BYTES_MAX',
      'device-sdk/src/delta/header.ts checkHeader demand need <= CLASS_BYTES[h.class]',
      'device-sdk/src/delta/header.ts checkPlace demand fits',
      'device-sdk/src/delta/header.ts checkModel demand predicts',
      'device-sdk/src/delta/header.ts checkModel demand h.mapRuns <= RUNS_MAX',
      'device-sdk/src/delta/header.ts checkModel demand entries <= ENTRIES_MAX && (entries & (entries - 1)) === 0',
      'device-sdk/src/delta/header.ts checkCoder demand part.fits(h)',
      'device-sdk/src/delta/header.ts checkCoder demand h.windowBits === 0 && h.lookaheadBits === 0',
      'device-sdk/src/delta/header.ts checkCoder demand h.windowBits >= WINDOW_BITS_MIN && h.windowBits <= WINDOW_BITS_MAX',
      'device-sdk/src/delta/header.ts checkCoder demand lookahead >= LOOKAHEAD_BITS_MIN && lookahead <= most',
      'device-sdk/src/delta/header.ts readVarint demand shift < 28 || byte < 4',
      'device-sdk/src/delta/header.ts readVarint throw BAD_DELTA',
    ],
  },
  {
    why: "the device's own journal and order of work; the signed digest decides",
    checks: [
      'device-sdk/src/install/application.ts #checkHeader demand same',
      'device-sdk/src/install/application.ts #checkHeader demand header.inPlace === undefined',
      'device-sdk/src/install/application.ts checkpointOf demand inChain && inFrame && found.outputOffset === written',
      "device-sdk/src/install/installer.ts begin demand pending?.phase === 'staged'",
    ],
  },
  {
    why: 'lower is neither higher nor the one that runs: the check after it',
    checks: ['device-sdk/src/verify/applies.ts checkApplicability demand manifest.sequence >= running.sequence'],
  },
  {
    why: 'without an untried branch none fits: NO_MEMORY after it',
    checks: ['device-sdk/src/verify/applies.ts selectBranch demand decodable.length === 0'],
  },
  {
    why: "another version than the stored root's is refused before: checkRootVersion",
    checks: ['device-sdk/src/verify/head.ts checkSuccession demand next.rootVersion >= stored.rootVersion'],
  },
  {
    why: 'entries that are not the ones named, or too few, do not reach what runs: the comparison after the loop',
    checks: [
      'device-sdk/src/verify/chain.ts checkReleaseChain demand entries.length === skipped',
      'device-sdk/src/verify/chain.ts checkReleaseChain demand equal(leafHash(verifier.sha256, entry), expected)',
    ],
  },
  {
    why: "lets an owner's own bundle in where nobody can answer; without it more is refused; tried in test/device-sdk/bundle",
    checks: ['device-sdk/src/verify/fresh.ts checkFreshness guard offline && !fresh'],
  },
  {
    why: 'a device without a clock has always asked, and no answer is LINK_LOST: fetchProofs',
    checks: ['device-sdk/src/verify/fresh.ts checkFreshness demand fresh'],
  },
  {
    why: 'where a proof is needed it was asked for, and no answer is LINK_LOST: fetchProofs',
    checks: ['device-sdk/src/verify/release.ts checkHeadGrowth demand proofs.consistency'],
  },
  {
    why: "an older version than the stored head's is refused after it, a newer one is followed before: checkSuccession, Beliefs",
    checks: ['device-sdk/src/verify/release.ts checkRootVersion demand rootVersion === root.version'],
  },
  {
    why: 'needs the log and the command key together; an install that goes on is verified again before its trial',
    checks: ['device-sdk/src/update/beliefs.ts glance demand proven.rollout.rolloutSequence >= trust.rolloutSequence'],
  },
  {
    why: 'when an install gives way; the trial is judged again by checkRollout before it begins',
    checks: [
      'device-sdk/src/update/interruption.ts demandNone throw NOT_OPEN',
      'device-sdk/src/update/interruption.ts deferOnce throw NOT_OPEN',
    ],
  },
  {
    why: 'the same limit stands in the reader: readAnnouncement',
    checks: ['device-sdk/src/update/work.ts receive demand bytes.length <= ANNOUNCEMENT_BYTES_MAX'],
  },
  {
    why: 'components in another order are not those of the release: profiles are compared with it in trials.ts',
    checks: ['broker/src/ledger/contract/trial-args.ts readComponents demand first'],
  },
  {
    why: 'frames by the dozen that nobody waits for: test/attacks/device-spending sends them',
    checks: ['device-sdk/src/fetch/fetcher.ts #bear throw LINK_LOST'],
  },
  {
    why: 'one slot: sizes that the integrator gives, and our own order of work; tried in test/power-cut and test/device-sdk',
    checks: [
      'device-sdk/src/install/in-place.ts constructor demand imageBytes <= slot.bytes',
      'device-sdk/src/install/in-place.ts constructor demand pageBytes <= scratch.bytes',
      'device-sdk/src/install/in-place.ts constructor demand inside',
      'device-sdk/src/install/in-place.ts write demand done < order.count',
      'device-sdk/src/install/in-place.ts write demand next',
      'device-sdk/src/install/in-place.ts finish demand this.complete',
      'device-sdk/src/install/in-place-apply.ts headerOf demand header',
      'device-sdk/src/install/in-place-apply.ts demandBase demand base',
      'device-sdk/src/install/staged.ts demandStaging demand bytes <= staging.bytes',
      'device-sdk/src/install/staging.ts #checkFirst demand header.workspaceBytes <= this.#o.workspace.length',
    ],
  },
  {
    why: 'one slot: an image without checkpoints is one page, and its length no whole number of erase blocks: the check after it',
    checks: ['device-sdk/src/install/in-place-apply.ts checkHeader demand blockBytes <= scratch.bytes'],
  },
  {
    why: "one slot: the integrator's scratch page against his slot's erase blocks; tried in test/device-sdk",
    checks: ['device-sdk/src/install/in-place-apply.ts checkHeader demand whole'],
  },
  {
    why: 'reading and its arguments, which change nothing',
    checks: [
      'broker/src/ledger/contract/queries.ts evaluate throw BAD_REQUEST',
      'broker/src/ledger/contract/queries.ts evaluate demand /^[\\x21-\\x7e]{1,128}$/.test(arg)',
      'broker/src/ledger/contract/queries.ts all demand rows.length < ROWS_MAX',
      'broker/src/ledger/contract/queries.ts totals throw NOT_FOUND',
      'broker/src/ledger/contract/queries.ts history throw NOT_FOUND',
      'broker/src/ledger/contract/queries.ts need throw BAD_REQUEST',
    ],
  },
  {
    why: "the operator's own file",
    checks: [
      'broker/src/face/api/token.ts readHash demand hash?.length === 32',
      'broker/src/face/api/token.ts readHash throw BAD_STORE',
    ],
  },
  {
    why: 'our own state, which no entry can bring about',
    checks: [
      'broker/src/ledger/contract/call.ts rootOf demand bytes.length > 0',
      'broker/src/ledger/contract/call.ts signatory throw UNKNOWN_KEY',
      'broker/src/ledger/contract/call.ts signingGrant throw UNKNOWN_KEY',
      'broker/src/ledger/contract/releases.ts confirm throw NOT_FOUND',
      'broker/src/ledger/contract/releases.ts productOf throw NOT_FOUND',
      'broker/src/ledger/log/class-index.ts prove throw NOT_FOUND',
      'broker/src/ledger/execution.ts #overlay throw INTERNAL',
    ],
  },
  {
    why: 'a trust root that leaves an algorithm out for people; statements by such a key verify all the same',
    checks: ['broker/src/ledger/contract/new-key.ts checkNewKey demand root.algorithms.includes(key.alg)'],
  },
  {
    why: 'block 0 is written once, by the operator who makes the ledger; auditors get the trust root from outside',
    checks: [
      "broker/src/ledger/contract/people.ts enrolFirstPerson demand entry.tx.action === 'enrol'",
      'broker/src/ledger/contract/people.ts enrolFirstPerson throw NOT_PERMITTED',
      'broker/src/ledger/contract/genesis.ts firstRoot demand version === 1',
      'broker/src/ledger/execution.ts seal demand this.#transactions.length > 0 && this.#root',
      'broker/src/ledger/execution.ts seal demand point.number > 0 || this.#transactions.length >= 3',
    ],
  },
  {
    why: 'sixteen approvers at most: a limit on size',
    checks: ['broker/src/ledger/contract/releases.ts approve demand others.length < APPROVALS_MAX'],
  },
  {
    why: 'what is no entry fits no reader: readStatement',
    checks: ['broker/src/ledger/contract/entry.ts kindOf throw WRONG_TYPE'],
  },
  {
    why: 'the same limit stands in the reader: readStatement',
    checks: [
      'broker/src/ledger/contract/entry.ts limit throw TOO_LARGE',
      'broker/src/distribution/delivery/login.ts deviceLogin demand password.length <= LOGIN_BYTES_MAX',
    ],
  },
  {
    why: 'forms of a block that its signature and its hash cover too; test/broker/ledger-audit, test/fuzz/ledger',
    checks: [
      'broker/src/ledger/log/block.ts readBlock demand bytes.length <= STORED_BLOCK_BYTES_MAX',
      'broker/src/ledger/log/block.ts readHeader demand items[0] === BLOCK_VERSION',
      'broker/src/ledger/log/block.ts checkOrderer demand sign1.protected.get(HEADER_TYP) === BLOCK_TYP',
      'broker/src/ledger/log/block.ts checkOrderer demand bare',
      'broker/src/ledger/log/block.ts checkOrderer demand alg === key.alg',
      'broker/src/ledger/replay.ts checkWhole demand equal(again, block.bytes)',
    ],
  },
  {
    why: 'a time that execution does not give is refused when the header is compared: checkSays',
    checks: ['broker/src/ledger/replay.ts checkFollows demand header.time >= point.time'],
  },
  {
    why: 'an empty folder: a mistake of the caller',
    checks: ['broker/src/ledger/audit.ts auditFolder throw NOT_FOUND'],
  },
  {
    why: "the distribution server's own files, and ledgers that break off; test/broker/distribution-hostile, distribution-trust",
    checks: [
      'broker/src/distribution/confirmed.ts uploadedManifest demand item',
      'broker/src/distribution/witness.ts followRoots demand current().version >= version',
      'broker/src/distribution/witness.ts olderRoots demand list.length === oldest.root.version - version && list[0]',
      'broker/src/distribution/witness.ts olderRoots demand last.root.version === version',
      'broker/src/distribution/witness.ts recall demand version === 1',
      'broker/src/distribution/witness.ts recall throw BAD_STORE',
    ],
  },
  {
    why: 'aedes refuses another first packet too, and its code is counted the same',
    checks: ['broker/src/distribution/delivery/gate.ts #checkStranger demand packets === 0 || firstType === CONNECT'],
  },
  {
    why: 'aedes parses no other version, and logins name their client; test/broker/delivery-login',
    checks: [
      'broker/src/distribution/delivery/broker.ts #login demand rights.clientId === client.id',
      'broker/src/distribution/delivery/broker.ts #login demand !gate.socket.destroyed',
      'broker/src/distribution/delivery/broker.ts checkConnect demand connect?.protocolVersion === 4',
    ],
  },
  {
    why: "the server's own file and its limit; test/broker/delivery-login, test/power-cut",
    checks: [
      'broker/src/distribution/delivery/counters.ts take demand !this.#broken && !this.#closed',
      'broker/src/distribution/delivery/counters.ts #write demand !this.#broken',
      'broker/src/distribution/delivery/counters.ts #write throw BAD_STORE',
      'broker/src/distribution/delivery/counters.ts raise demand last !== undefined || highest.size < LOGIN_DEVICES_MAX',
      'broker/src/distribution/delivery/counters.ts readBatches demand count === 0 || end >= file.length',
      'broker/src/distribution/delivery/counters.ts badStore throw BAD_STORE',
    ],
  },
  {
    why: 'the description of a request says the same before its route is asked: face/api/openapi',
    checks: [
      "broker/src/face/access/access-routes.ts grantOf demand kind === 'person' || kind === 'machine'",
      'broker/src/face/access/access-routes.ts scopeIn demand scope',
      'broker/src/face/access/tokens.ts issue demand good',
    ],
  },
  {
    why: 'names come from the record, whose contract has the same rule; test/broker/access-factors',
    checks: ['broker/src/face/access/factors.ts checkName demand /^[a-z0-9][a-z0-9._-]{0,31}$/.test(person)'],
  },
  {
    why: "the server's own folder, or one that the system does not let it read; test/broker/access-factors, enrolment",
    checks: [
      'broker/src/face/access/factors.ts read demand good && unhex(file.sealed.text)',
      'broker/src/face/access/factors.ts read throw BAD_STORE',
      'broker/src/face/access/tokens.ts readAll throw BAD_STORE',
      'broker/src/distribution/enrolment/lists.ts readLines throw BAD_STORE',
    ],
  },
  {
    why: '200,000 lines that operators signed for: a limit on memory',
    checks: ['broker/src/distribution/enrolment/lists.ts put demand all + lines.length <= LISTED_MAX'],
  },
  {
    why: 'a revocation that ends while the first use is being computed, some 30 ms: no try can choose which is first',
    checks: ['broker/src/face/access/tokens.ts find guard files.get(file.id)?.revokedAt !== null'],
  },
  {
    why: 'how often a use is written down is about flushes; it is for people to read',
    checks: [
      'broker/src/face/access/tokens.ts note guard file.usedAt !== null && Math.abs(now() - file.usedAt) < NOTED_SECONDS',
    ],
  },
  {
    why: "a disk that fails under a running peer: nobody's lie",
    checks: ['broker/src/ledger/peer/chain.ts #orFail throw BAD_STORE'],
  },
  {
    why: 'the contract confirms no release without its upload, and the copy holds only what it has executed: chain.ts',
    checks: ['broker/src/ledger/peer/holdings.ts manifestOf demand upload'],
  },
  {
    why: "folders and files of the machine itself that cannot be read: nobody's lie",
    checks: [
      'broker/src/keys/kgc/list.ts findIdentity throw BAD_STORE',
      'broker/src/keys/kgc/request.ts readIssued throw NOT_FOUND',
      'broker/src/keys/people.ts listPeopleKeys throw BAD_STORE',
    ],
  },
  {
    why: 'a random generator that gives infinity eight times in a row, which nobody can bring about from outside',
    checks: ['broker/src/keys/kgc/ecqv.ts issueShare throw INTERNAL'],
  },
  {
    why: 'wrong use of a command by who owns the folder: a second key without `next`, more keys than a root can name, a text too long',
    checks: [
      'broker/src/keys/kgc/request.ts requestKey demand number === 1 || options.next',
      'broker/src/keys/ring.ts prepare demand number <= KEYS_MAX',
      'broker/src/keys/tx.ts signTransaction demand statement.length <= TX_BYTES_MAX',
    ],
  },
  {
    why: 'a person has no token for relaying, and a route of no scope is closed before: grantOf, checkRight',
    checks: ["broker/src/face/access/door.ts checkRole guard scope === undefined || scope === 'relay'"],
  },
  {
    why: 'what it is about says something of approvals, enrolments and revocations alone: scopeOf',
    checks: ["broker/src/face/access/door.ts aboutOf guard action !== 'approve' && action !== 'reject'"],
  },
  {
    why: 'such a y is no point either: decodePoint, the next check but one',
    checks: ['device-sdk/src/crypto/ed25519-guard.ts checkEd25519Key demand isCanonical(publicKey)'],
  },
  {
    why: 'a point of another length is refused where the trust root, the entry or the answer of a centre is read',
    checks: ['device-sdk/src/crypto/ecqv.ts reconstructKey throw BAD_KEY'],
  },
  {
    why: 'the guard derives only what has the length of an implicit key: guarded.ts',
    checks: ['device-sdk/src/crypto/ecqv.ts derive throw BAD_KEY'],
  },
  {
    why: 'the point must be the opposite of what the hash of that very point makes of the key of its centre: test/vectors/ecqv',
    checks: ['device-sdk/src/crypto/p256-point.ts writePoint throw BAD_KEY'],
  },
  {
    why: 'a build without the part for implicit keys takes no trust root that has some: checkKeys',
    checks: ['device-sdk/src/crypto/guarded.ts esp256Slot throw UNSUPPORTED'],
  },
  {
    why: 'only releases that the ledger has just listed are judged: fleet.ts',
    checks: ['broker/src/passport/applies.ts judgeRelease demand release'],
  },
  {
    why: 'each field is read in its one length, kind and order before; for fields to come',
    checks: ['broker/src/passport/passport.ts readPassport demand equal(encode(passportValue(passport)), payload)'],
  },
  {
    why: 'a caller in plain JavaScript who gives texts; what is read from messages is bytes: asBytes',
    checks: [
      'device-sdk/src/crypto/guarded.ts holds guard !isBytes(publicKey) || !isBytes(message) || !isBytes(signature)',
    ],
  },
];

export function reasonOf(name: string): string | undefined {
  return SURVIVORS.find(({ checks }) => checks.includes(name))?.why;
}
