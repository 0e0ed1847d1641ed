/**
 * Checks that the suite's own tests try, each in its room, and that no row of the attack suite tries yet. Every line is one
 * that is owed: with its row it goes.
 */
import type { Survivors } from './survivors.ts';

export const OWED: readonly Survivors[] = [
  {
    why: 'a certificate in another form than the one that is read: tried byte by byte in test/broker/enrolment, by no row yet',
    checks: [
      'broker/src/ledger/contract/certificate.ts readCertificate demand bytes.length <= CERTIFICATE_BYTES_MAX',
      'broker/src/ledger/contract/certificate.ts readCertificate demand alg',
      'broker/src/ledger/contract/certificate.ts readCertificate demand equal(inside[2].bytes, algorithm.bytes)',
      'broker/src/ledger/contract/certificate.ts keyOf demand false',
      'broker/src/ledger/contract/certificate.ts signatureOf demand bits[0] === 0',
      'broker/src/ledger/contract/certificate.ts signatureOf demand signature.length === 64',
      'broker/src/ledger/contract/certificate.ts scalar demand shortest && bytes.length <= 32',
      'broker/src/ledger/contract/certificate.ts elements demand element.tag === tag',
      'broker/src/ledger/contract/certificate.ts elements demand more || at === bytes.length',
      'broker/src/ledger/contract/certificate.ts elementAt demand extra <= 2',
      'broker/src/ledger/contract/certificate.ts elementAt demand shortest && end <= bytes.length',
    ],
  },
  {
    why: 'enrolment by grants, lists and certificates: tried in test/broker/engines, test/broker/enrolment and test/vectors, by no row yet',
    checks: [
      'broker/src/ledger/contract/grant-args.ts readEnrolGrant demand name',
      "broker/src/ledger/contract/grant-args.ts readEnrolGrant demand (name === 'code') === (content === null)",
      'broker/src/ledger/contract/grant-args.ts readEnrolGrant demand count > 0',
      "broker/src/ledger/contract/grant-args.ts readClaimArgs demand asText(word, 'what is enrolled') === 'claim'",
      "broker/src/ledger/contract/grant-args.ts readListedArgs demand asText(word, 'what is enrolled') === 'listed'",
      'broker/src/ledger/contract/grant-args.ts readListedArgs demand hashes.length <= LIST_PATH_MAX',
      "broker/src/ledger/contract/grant-args.ts readCertifiedArgs demand asText(word, 'what is enrolled') === 'certified'",
      'broker/src/ledger/contract/call.ts signingGrant throw UNKNOWN_KEY',
      "broker/src/ledger/contract/call.ts signingGrant demand grant.state === 'open'",
      'broker/src/ledger/contract/authorities.ts certificateSignatory demand own',
      'broker/src/ledger/contract/authorities.ts certificateSignatory throw NOT_FOUND',
      "broker/src/ledger/contract/authorities.ts certificateSignatory demand grant.kind === 'authority'",
      "broker/src/ledger/contract/authorities.ts certificateSignatory demand grant.state === 'open'",
      'broker/src/ledger/contract/authorities.ts checkCertified demand named',
      'broker/src/ledger/contract/authorities.ts checkCertified demand issued',
      'broker/src/ledger/contract/authorities.ts checkCertified demand !taken',
      'broker/src/ledger/contract/lists.ts listSignatory demand own',
      'broker/src/ledger/contract/lists.ts listSignatory throw NOT_FOUND',
      "broker/src/ledger/contract/lists.ts listSignatory demand grant.kind === 'list'",
      "broker/src/ledger/contract/lists.ts listSignatory demand grant.state === 'open'",
      'broker/src/ledger/contract/lists.ts checkListed demand found',
      'broker/src/ledger/contract/lists.ts checkListed demand !taken',
      "broker/src/ledger/contract/grants.ts enrolGrant demand await read(call.stub, 'product', classId)",
      "broker/src/ledger/contract/grants.ts enrolGrant demand !(await read(call.stub, 'grant', grantId))",
      'broker/src/ledger/contract/grants.ts revokeGrant throw NOT_FOUND',
      "broker/src/ledger/contract/grants.ts revokeGrant demand grant.state === 'open'",
      "broker/src/ledger/contract/grants.ts claimDevice demand entry.tx.action === 'enrol'",
      'broker/src/ledger/contract/grants.ts claimDevice demand toHex(args.grantId) === grant.grantId',
      'broker/src/ledger/contract/grants.ts claimDevice demand toHex(entry.tx.object) === toHex(digest)',
      'broker/src/ledger/contract/grants.ts claimDevice demand grant.used < grant.devices',
      "broker/src/ledger/contract/grants.ts claimDevice demand !(await read(call.stub, 'device', id))",
      'broker/src/ledger/contract/grants.ts checkProof demand equal(statement.kid, kidOf(sha256, key))',
      'broker/src/ledger/contract/grants.ts checkProof demand same',
      'broker/src/ledger/contract/grants.ts checkProof demand toHex(said.classId) === classId',
      'broker/src/ledger/contract/grants.ts checkObject demand toHex(entry.tx.object) === expected',
    ],
  },
];
