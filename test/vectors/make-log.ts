/** Vectors of what a ledger holds and its server says: heads, announcements, statements, trust roots. */
import {
  aadOf,
  asArray,
  type CborMap,
  decode,
  decodeSign1,
  encode,
  encodeSign1,
  type Kind,
  makeSign1,
  readSignedRoot,
  signStatement,
  type Value,
} from '@countersign/device-sdk/format';
import { bytesOf, classId, sha256, signers, type World } from '../support/world.ts';
import { accepted, type FormatVector, refused, signature } from './format-vector.ts';

export function headVectors(w: World): FormatVector[] {
  const { root } = w.headFields;
  const sign1 = decodeSign1(w.receipt);
  const proof = (size: number) => encode([size, 2, [bytesOf('entry 3'), bytesOf('x')]]);
  const receipt = (value: Value) => encodeSign1({ ...sign1, unprotected: new Map<number, Value>([[396, value]]) });
  const log = signature('log', signers.log, w.head, root);
  return [
    accepted('head', 'head', 'four entries; the root is the detached payload', w.head, { signatures: [log] }),
    accepted('head', 'cosignature', 'the same tuple by a peer', w.cosignature, {
      signatures: [signature('peer', signers.peer, w.cosignature, root)],
    }),
    accepted('receipt', 'receipt', 'the same signature with the path of entry 2', w.receipt, { signatures: [log] }),
    accepted('indexEntry', 'index-entry', 'the class entry of the release', w.indexEntry),
    refused(
      'receipt',
      'receipt-other-size',
      'the proof is for 5 entries, the signature for 4',
      'NO_RECEIPT',
      receipt(new Map([[-1, [proof(5)]]])),
    ),
    refused(
      'receipt',
      'receipt-two-proofs',
      'two inclusion proofs',
      'MALFORMED',
      receipt(new Map([[-1, [proof(4), proof(4)]]])),
    ),
    refused('receipt', 'receipt-is-head', 'no proof at all', 'MALFORMED', w.head),
    refused('head', 'head-is-receipt', 'a head with an unprotected map', 'MALFORMED', w.receipt),
    refused('head', 'head-is-tx', 'a transaction', 'MALFORMED', w.tx),
    refused(
      'indexEntry',
      'index-entry-state',
      'state 3',
      'MALFORMED',
      encode(asArray(decode(w.indexEntry), 'entry').map((item, i) => (i === 5 ? 3 : item))),
    ),
  ];
}

export function announcementVectors(w: World): FormatVector[] {
  const items = asArray(decode(w.announcement), 'announcement');
  const edit = (at: number, value: Value) => encode(items.map((item, i) => (i === at ? value : item)));
  return [
    accepted('announcement', 'announcement', 'two bases, one cosignature, two classes', w.announcement),
    accepted(
      'announcement',
      'announcement-alone',
      'quorum 0 and one class: no cosignature, no path',
      encode(items.map((item, i) => (i === 3 ? [] : i === 4 ? [5, 0, 1, []] : item))),
    ),
    refused('announcement', 'announcement-version', 'version 2', 'UNSUPPORTED', edit(0, 2)),
    refused(
      'announcement',
      'announcement-path',
      'a path of 54 hashes',
      'MALFORMED',
      edit(4, [5, 0, 2, new Array(54).fill(bytesOf('x'))]),
    ),
    refused(
      'announcement',
      'announcement-cosignature',
      'a signature of 63 bytes',
      'MALFORMED',
      edit(3, [[new Uint8Array(8), -19, new Uint8Array(63)]]),
    ),
    refused('announcement', 'announcement-extra', 'a seventh element', 'MALFORMED', encode([...items, null])),
  ];
}

export async function statementVectors(w: World): Promise<FormatVector[]> {
  const rows: [Kind, Uint8Array, keyof typeof signers, string][] = [
    ['rollout', w.rollout, 'command', 'a quarter of the fleet and a named group, for a week'],
    ['report', w.report, 'device', 'a failed self-test, reverted'],
    ['tx', w.tx, 'person', 'a person approves a release'],
    ['login', w.login, 'device', 'the ninth connection'],
    ['ack', w.ack, 'command', 'report 4 is in the ledger'],
    ['fresh', w.fresh, 'command', 'the answer to a nonce'],
    ['cmd', w.cmd, 'command', 'ask for the announcement now'],
  ];
  const good = rows.map(([kind, bytes, key, why]) => {
    const signed = signature(key, signers[key], bytes, decodeSign1(bytes).payload!, aadOf(kind));
    return accepted(kind, kind, why, bytes, { signatures: [signed] });
  });
  const device = bytesOf('device', 16);
  const sign = (kind: Kind, payload: Value) => signStatement(sha256, kind, payload, signers.command);
  const { protected: map, payload } = decodeSign1(w.cmd);
  const extra: CborMap = new Map([...map, [15, 1] as const]);
  const radio = [['radio', bytesOf('radio 6'), 'SELF_TEST_FAILED']];
  const parts = (items: Value) => sign('report', [...editArray(w.report, 0, bytesOf('device', 16)), items]);
  return [
    ...good,
    accepted('report', 'report-components', 'what runs of a radio besides', await parts(radio)),
    refused('report', 'report-no-components', 'an empty list of further components', 'MALFORMED', await parts([])),
    refused('report', 'report-4-components', 'four of them', 'MALFORMED', await parts(new Array(4).fill(radio[0]))),
    refused('ack', 'ack-is-cmd', 'a command where an acknowledgement is expected', 'WRONG_TYPE', w.cmd),
    refused('cmd', 'cmd-is-ack', 'an acknowledgement where a command is expected', 'WRONG_TYPE', w.ack),
    refused(
      'cmd',
      'cmd-extra-label',
      'one more protected label',
      'MALFORMED',
      encodeSign1(await makeSign1(signers.command, extra, payload!)),
    ),
    refused('cmd', 'cmd-detached', 'no payload', 'MALFORMED', encodeSign1({ ...decodeSign1(w.cmd), payload: null })),
    refused(
      'login',
      'login-control',
      'a broker id with a line feed',
      'MALFORMED',
      await sign('login', [device, 'a\nb', 1]),
    ),
    refused(
      'rollout',
      'rollout-kind',
      'a third kind of cohort',
      'UNSUPPORTED',
      await sign('rollout', editArray(w.rollout, 6, [[2, 1]])),
    ),
    refused('rollout', 'rollout-state', 'state 3', 'MALFORMED', await sign('rollout', editArray(w.rollout, 4, 3))),
    refused(
      'report',
      'report-code',
      'a code outside the closed list',
      'MALFORMED',
      await sign('report', editArray(w.report, 10, [11, 'OOPS'])),
    ),
    refused(
      'report',
      'report-stages',
      '17 stages',
      'MALFORMED',
      await sign('report', editArray(w.report, 11, new Array(17).fill([1, 'OK']))),
    ),
  ];
}

function editArray(statement: Uint8Array, at: number, value: Value): Value[] {
  return asArray(decode(decodeSign1(statement).payload!), 'payload').map((item, i) => (i === at ? value : item));
}

export function rootVectors(w: World): FormatVector[] {
  const { payload, signatures } = readSignedRoot(sha256, w.root);
  const bytes = encodeSign1(signatures[0]!.sign1);
  const items = asArray(decode(payload), 'root');
  const edit = (at: number, value: Value) =>
    encode([encode(items.map((item, i) => (i === at ? value : item))), [bytes]]);
  const floor = [classId, 5];
  const signed = signature('root', signers.root, bytes, payload, aadOf('root'));
  return [
    accepted('root', 'root', 'trust root 1: one key a role, one peer', w.root, { signatures: [signed] }),
    refused('root', 'root-version-0', 'trust roots are numbered from 1', 'BAD_ROOT', edit(0, 0)),
    refused('root', 'root-two-floors', 'two floors for one class', 'BAD_ROOT', edit(6, [floor, floor])),
    refused('root', 'root-unsigned', 'no signature', 'BAD_ROOT', encode([payload, []])),
    refused('root', 'root-too-large', '4097 bytes', 'TOO_LARGE', new Uint8Array(4097)),
  ];
}
