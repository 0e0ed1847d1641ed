/** Rows 28 to 32 as a device meets them: split views, rewritten logs, what was never logged, trust roots, revoked keys. */
import {
  encodeAnnouncement,
  encodeReceipt,
  type Head,
  publicKeyOf,
  type Role,
  readAnnouncement,
  readHead,
  readReceipt,
  signHead,
  thumbprint,
} from '@countersign/device-sdk/format';
import type { Attack, Variant } from '../attack.ts';
import { altered } from '../forge.ts';
import { verifier } from '../pocket/publisher.ts';
import { inclusionPath, leavesOf } from '../pocket/tree.ts';
import { found, heard, lied, makeScene, type Scene } from '../scene.ts';
import { cosigned, PEERS, quorum, rotated, STRANGER } from '../stolen.ts';
import { bundleIssueRows } from './bundle-files.ts';
import { bundledRows, revokedCentreRow } from './bundled.ts';
import { issuedElsewhere, unissuedRows } from './centre.ts';
import { centreRootRows, revokedIssueRows } from './centre-roots.ts';
import { rootRows } from './device-more.ts';
import { revokedRows } from './server-approvals.ts';
import { convictedRows } from './server-centre.ts';
import { copyRows } from './server-copies.ts';
import { cosigningRows } from './server-cosigning.ts';
import { halfSignedRows } from './server-half-roots.ts';
import { peerRows } from './server-peers.ts';
import { announcerRows, auditRows } from './server-proofs.ts';
import { draftRows } from './server-root-drafts.ts';
import { loggedRootRows, rotatedKeyRows } from './server-roots.ts';
import { weakRootRows } from './weak-keys.ts';

const { sha256 } = verifier;

/** The newest release under a head that the log signs with these fields changed. */
async function underHead(s: Scene, change: Partial<Head>): Promise<Uint8Array> {
  return altered(s, async () => {
    const head = readHead(await signHead(sha256, { ...s.server.head(), ...change }, s.server.signers.log));
    const path = inclusionPath(sha256, leavesOf(sha256, s.server.entries), s.second.leafIndex);
    return { receipt: encodeReceipt(head, s.second.leafIndex, path) };
  });
}

/** The log tells this victim another history from entry `from` on. */
function fork(s: Scene, from: number): Promise<Uint8Array> {
  s.server.entries[from] = new Uint8Array(40).fill(0x66);
  return s.server.announcement();
}

export const splitView: Attack = {
  id: 28,
  name: 'split view',
  source: 'Firmware Transparency threat model',
  against: ['device', 'server'],
  variants: [
    heard('shows another history from before the stored head', 'SPLIT_VIEW', (s) => fork(s, 1)),
    heard(
      'shows another head of the stored size',
      'SPLIT_VIEW',
      async (s) => {
        await s.victim.hear(await s.server.announcement());
        await s.victim.pass(10_000);
        s.before = await s.victim.look();
        s.victim.codes = [];
        return fork(s, 1);
      },
      { publish: { state: 1 } },
    ),
    heard(
      'shows another index under the same history',
      'SPLIT_VIEW',
      async (s) => {
        await s.victim.hear(await s.server.announcement());
        await s.victim.pass(10_000);
        s.before = await s.victim.look();
        s.victim.codes = [];
        s.server.index = { ...s.server.index!, floor: 1 };
        return altered(s, ({ indexProof }) => ({ indexProof: { ...indexProof, floor: 1 } }));
      },
      { publish: { state: 1 } },
    ),
    heard('shows a head that no peer has cosigned', 'NO_QUORUM', (s) => s.server.announcement(), { root: quorum(1) }),
    heard('shows a head that too few peers have cosigned', 'NO_QUORUM', (s) => cosigned(s, PEERS.slice(0, 1)), {
      root: quorum(2),
    }),
    heard(
      'shows cosignatures of another head',
      'NO_QUORUM',
      async (s) => {
        const { cosignatures } = readAnnouncement(await cosigned(s, PEERS.slice(0, 2)));
        s.server.entries.push(new Uint8Array(40));
        return altered(s, () => ({ cosignatures }));
      },
      { root: quorum(2) },
    ),
    heard(
      'turns a bit of a cosignature',
      'NO_QUORUM',
      async (s) => {
        const parts = readAnnouncement(await cosigned(s, PEERS.slice(0, 2)));
        parts.cosignatures[0]!.signature[5]! ^= 1;
        return encodeAnnouncement(parts);
      },
      { root: quorum(2) },
    ),
    heard('lets a revoked peer cosign', 'NO_QUORUM', (s) => cosigned(s, PEERS.slice(0, 2)), {
      root: { ...quorum(2), revocations: [{ thumbprint: thumbprint(sha256, publicKeyOf(PEERS[0]!)), logSize: 1 }] },
    }),
    heard('shows the head of another log', 'BAD_HEAD', (s) => underHead(s, { origin: 'another.example/log' })),
    issuedElsewhere,
    ...peerRows,
    ...cosigningRows,
  ],
};

export const logRewrite: Attack = {
  id: 29,
  name: 'log rewritten or cut',
  source: 'mobula#59, oxdeai#303',
  against: ['device', 'server'],
  variants: [
    lied(
      'answers with no proof that the log has only grown',
      'SPLIT_VIEW',
      () => (answer) => (answer.kind === 2 ? { ...answer, path: [] } : answer),
      { spare: [] },
    ),
    lied(
      'answers with a proof of another growth',
      'SPLIT_VIEW',
      () => (answer) => (answer.kind === 2 ? { ...answer, path: answer.path.map(() => new Uint8Array(32)) } : answer),
      { spare: [] },
    ),
    lied(
      'answers with a proof that is too long',
      'SPLIT_VIEW',
      () => (answer) => (answer.kind === 2 ? { ...answer, path: [...answer.path, new Uint8Array(32)] } : answer),
      { spare: [] },
    ),
    heard(
      'cuts the log behind the release',
      'STALE',
      async (s) => {
        for (let i = 0; i < 3; i++) s.server.entries.push(new Uint8Array(40).fill(i));
        await s.victim.hear(await s.server.announcement());
        await s.victim.pass(10_000);
        s.before = await s.victim.look();
        s.victim.codes = [];
        s.server.entries.splice(-2);
        return s.server.announcement();
      },
      { publish: { state: 1 } },
    ),
    heard('signs another root under the same proof', 'NO_RECEIPT', (s) => underHead(s, { root: new Uint8Array(32) })),
    ...auditRows,
    ...copyRows,
  ],
};

export const unlogged: Attack = {
  id: 30,
  name: 'announced before confirmed',
  source: 'the order of the ledger and the announcement',
  against: ['device', 'server'],
  variants: [
    heard('announces a release that the ledger does not have', 'NO_RECEIPT', async (s) => {
      const hidden = s.server.entries.splice(s.second.leafIndex, 1);
      const parts = await s.server.parts();
      s.server.entries.splice(s.second.leafIndex, 0, ...hidden);
      return encodeAnnouncement(parts);
    }),
    heard('names another place in the log', 'NO_RECEIPT', (s) =>
      altered(s, ({ receipt }) => {
        const { signed, leafIndex, path } = readReceipt(receipt);
        return { receipt: encodeReceipt(signed, leafIndex - 1, path) };
      }),
    ),
    heard('names a place beyond the log', 'NO_RECEIPT', (s) =>
      altered(s, ({ receipt }) => {
        const { signed, path } = readReceipt(receipt);
        return { receipt: encodeReceipt(signed, signed.fields.size + 3, path) };
      }),
    ),
    heard('shortens the inclusion proof', 'NO_RECEIPT', (s) => repathed(s, (path) => path.slice(1))),
    heard('lengthens the inclusion proof', 'NO_RECEIPT', (s) => repathed(s, (path) => [...path, new Uint8Array(32)])),
    heard('announces before the class index names the release', 'NOT_CURRENT', async (s) => {
      s.server.index = { ...s.server.index!, releaseLeaf: s.first.releaseLeaf };
      return s.server.announcement();
    }),
    heard('shortens the index proof', 'NOT_CURRENT', (s) =>
      altered(s, ({ indexProof }) => ({ indexProof: { ...indexProof, size: 2, path: [new Uint8Array(32)] } })),
    ),
    heard('names a place beyond the index', 'NO_RECEIPT', (s) =>
      altered(s, ({ indexProof }) => ({ indexProof: { ...indexProof, index: 1 } })),
    ),
    ...unissuedRows,
    ...bundledRows,
    ...bundleIssueRows,
    ...announcerRows,
  ],
};

function repathed(s: Scene, change: (path: Uint8Array[]) => Uint8Array[]): Promise<Uint8Array> {
  return altered(s, ({ receipt }) => {
    const { signed, leafIndex, path } = readReceipt(receipt);
    return { receipt: encodeReceipt(signed, leafIndex, change(path)) };
  });
}

const rootKeys = (s: Scene) => s.server.root.roles.root;
const newKeys = { threshold: 1, keys: [publicKeyOf(STRANGER)], implicit: [] };

export const halfRotated: Attack = {
  id: 31,
  name: 'half-rotated root',
  source: 'TUF CVE-2020-15163',
  against: ['device', 'server'],
  variants: [
    heard('signs the next trust root with its own keys alone', 'BAD_ROOT', (s) => rotated(s, [STRANGER], newKeys)),
    heard('signs the next trust root with the old keys alone', 'BAD_ROOT', (s) =>
      rotated(s, [s.server.signers.root], newKeys),
    ),
    heard('signs the next trust root with keys of other roles', 'BAD_ROOT', (s) =>
      rotated(s, [s.server.signers.log, s.server.signers.command], rootKeys(s)),
    ),
    heard('turns a bit of the next trust root’s signature', 'BAD_ROOT', async (s) => {
      const signer = s.server.signers.root;
      const broken = {
        ...signer,
        sign: async (m: Uint8Array) => (await signer.sign(m)).map((b, i) => (i === 9 ? b ^ 1 : b)),
      };
      return rotated(s, [broken], rootKeys(s));
    }),
    heard('leaves a version out', 'BAD_ROOT', async (s) => {
      s.server.root.version++;
      return rotated(s, [s.server.signers.root], rootKeys(s));
    }),
    heard('offers a trust root of another ledger', 'BAD_ROOT', (s) =>
      rotated(s, [s.server.signers.root], rootKeys(s), { origin: 'another.example' }),
    ),
    heard('lets nobody sign the trust root after the next', 'BAD_ROOT', (s) =>
      rotated(s, [s.server.signers.root], { ...rootKeys(s), threshold: 0 }),
    ),
    heard('demands more signatures than there are keys', 'BAD_ROOT', (s) =>
      rotated(s, [s.server.signers.root], { ...rootKeys(s), threshold: 2 }),
    ),
    heard('names a key that is no point of its curve', 'BAD_KEY', (s) =>
      rotated(s, [s.server.signers.root], {
        threshold: 1,
        keys: [...rootKeys(s).keys, { alg: -19, bytes: new Uint8Array(32).fill(0xff) }],
        implicit: [],
      }),
    ),
    heard('names a key of small order', 'BAD_KEY', (s) =>
      rotated(s, [s.server.signers.root], {
        threshold: 1,
        keys: [...rootKeys(s).keys, { alg: -19, bytes: Uint8Array.from({ length: 32 }, (_, i) => (i === 0 ? 1 : 0)) }],
        implicit: [],
      }),
    ),
    heard('names a trust root that nobody has', 'BAD_ROOT', async (s) => {
      s.server.root.version = 9;
      return s.server.announcement();
    }),
    heard('gives one class two floors', 'BAD_ROOT', (s) => {
      const floor = { classId: s.server.classId, floor: 0 };
      return rotated(s, [s.server.signers.root], rootKeys(s), { floors: [floor, floor] });
    }),
    heard('revokes one key twice', 'BAD_ROOT', (s) => {
      const item = { thumbprint: new Uint8Array(32).fill(5), logSize: 9 };
      return rotated(s, [s.server.signers.root], rootKeys(s), { revocations: [item, { ...item, logSize: 1 }] });
    }),
    heard(
      'announces under an older trust root',
      'STALE',
      async (s) => {
        const bytes = await s.server.announcement();
        await s.victim.hear(await rotated(s, [s.server.signers.root], rootKeys(s)));
        await s.victim.pass(10_000);
        s.before = await s.victim.look();
        s.victim.codes = [];
        return bytes;
      },
      { publish: { state: 1 } },
    ),
    ...rootRows,
    ...centreRootRows,
    ...loggedRootRows,
    ...draftRows,
    ...halfSignedRows,
    ...weakRootRows,
  ],
};

export const revokedKey: Attack = {
  id: 32,
  name: 'a revoked key',
  source: 'mcuboot#221',
  against: ['device', 'server'],
  variants: [
    ...(['collection', 'distribution', 'log', 'command'] as const).map(revoked),
    afterReboot(),
    ...revokedIssueRows,
    revokedCentreRow,
    ...revokedRows,
    ...rotatedKeyRows,
    ...convictedRows,
  ],
};

/** The next trust root revokes the key that has signed. */
function revoked(role: Role): Variant {
  return heard(`uses the ${role} key after its revocation`, 'REVOKED', (s) => withRevoked(s, role), {
    spare: ['root'],
  });
}

function withRevoked(s: Scene, role: Role): Promise<Uint8Array> {
  const print = thumbprint(sha256, publicKeyOf(s.server.signers[role]));
  return rotated(s, [s.server.signers.root], rootKeys(s), { revocations: [{ thumbprint: print, logSize: 3 }] });
}

function afterReboot(): Variant {
  return {
    how: 'uses the collection key after its revocation and a restart of the device',
    expect: 'REVOKED',
    async run(ground) {
      const s = await makeScene(ground);
      const bytes = await withRevoked(s, 'collection');
      await s.victim.hear(bytes);
      await s.victim.pass(10_000);
      s.victim.codes = [];
      await s.victim.boot();
      await s.victim.hear(bytes);
      await s.victim.pass(10_000);
      return found(s, ['root']);
    },
  };
}
