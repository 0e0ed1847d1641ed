/** Rows 1 to 6: who signed, in which role, and what. */
import {
  ackValue,
  decode,
  decodeSign1,
  encodeAnnouncement,
  encodeEnvelope,
  encodeReceipt,
  encodeSign1,
  HEADER_ALG,
  HEADER_TYP,
  KINDS,
  leafHash,
  publicKeyOf,
  ROLES,
  type Role,
  readEnvelope,
  readHead,
  readReceipt,
  type Signer,
  signBlock1,
  signBlock2,
  signHead,
  signStatement,
  typOf,
} from '@countersign/device-sdk/format';
import { nodeKeyStore } from '@countersign/device-sdk/host/crypto';
import type { Attack, Variant } from '../attack.ts';
import { altered, flipped, flippedIn, reheaded, relabelled, resigned, withWrapper } from '../forge.ts';
import { verifier } from '../pocket/publisher.ts';
import { changed, found, heard, makeScene, type Scene } from '../scene.ts';
import { cosigned, PEERS, quorum, rotated, STRANGER } from '../stolen.ts';
import { DEVICE_ID, DEVICE_KEY } from '../victim.ts';
import { centreRows } from './centre.ts';
import { issueRows, shareRows } from './server-centre.ts';
import { countedTwiceRows, otherContentRows, otherProtocolRows } from './server-signers.ts';
import { noPointRows } from './weak-keys.ts';

const { sha256 } = verifier;
const OWN = nodeKeyStore(-19, DEVICE_KEY);

/** Release 3 as these two sign it; everything else about it is true: logged, current, opened. */
const signedBy = (collection: Signer | Role, distribution: Signer | Role) => async (s: Scene) => {
  const signer = (who: Signer | Role) => (typeof who === 'string' ? s.server.signers[who] : who);
  const signers = { collection: signer(collection), distribution: signer(distribution) };
  await s.server.publish(changed(s.second.image, 7), { bases: [s.first], signers, previousLeaf: s.first.releaseLeaf });
  return s.server.announcement();
};

const newest = ({ server }: Scene) => server.releases.at(-1)!;

const OTHERS = ROLES.filter((role) => role !== 'peer');

export const arbitraryInstallation: Attack = {
  id: 1,
  name: 'arbitrary installation',
  source: 'TUF, Uptane; RFC 9124 THREAT.IMG.NON_AUTH',
  against: ['device'],
  variants: [
    heard('says what is no announcement', 'MALFORMED', () => new Uint8Array(300).fill(0x81)),
    heard('signs block 1 with a key of his own', 'UNKNOWN_KEY', signedBy(STRANGER, 'distribution')),
    heard('signs block 2 with a key of his own', 'UNKNOWN_KEY', signedBy('collection', STRANGER)),
    heard('signs both blocks with the key of a device', 'UNKNOWN_KEY', signedBy(OWN, OWN)),
    heard('turns a bit of the first signature', 'BAD_SIGNATURE', (s) =>
      altered(s, ({ envelope }) => ({ envelope: flippedIn(envelope, newest(s).leaf.subarray(-32)) })),
    ),
    heard('turns a bit of the second signature', 'BAD_SIGNATURE', (s) =>
      altered(s, ({ envelope }) => ({ envelope: flippedIn(envelope, newest(s).block2.subarray(-32)) })),
    ),
    heard('turns a bit of the rollout signature', 'BAD_SIGNATURE', (s) =>
      altered(s, ({ rollout }) => ({ rollout: flipped(rollout, rollout.length - 5) })),
    ),
    heard('turns a bit of the log’s signature', 'NO_RECEIPT', (s) =>
      altered(s, ({ receipt }) => ({ receipt: flipped(receipt, receipt.length - 5) })),
    ),
    heard('turns a bit of the manifest', 'MALFORMED', (s) =>
      altered(s, ({ envelope }) => ({ envelope: flipped(envelope, envelope.length - 40) })),
    ),
    heard('exchanges the manifest and its digest under both signatures', 'BAD_SIGNATURE', async (s) => {
      const { leaf, block2 } = newest(s);
      const other = s.first.manifestBytes;
      return altered(s, () => ({ envelope: encodeEnvelope(sha256, other, leaf, block2) }));
    }),
    heard('names another algorithm for the key', 'BAD_SIGNATURE', async (s) => {
      const { leaf, manifestBytes, block2 } = newest(s);
      const payload = decodeSign1(leaf).payload!;
      const other = await resigned(leaf, s.server.signers.collection, payload, (map) => void map.set(HEADER_ALG, -9));
      return altered(s, () => ({ envelope: encodeEnvelope(sha256, manifestBytes, other, block2) }));
    }),
    everyBit(),
  ],
};

/** One turned bit in every 23rd byte of a true announcement, each its own message. */
function everyBit(): Variant {
  return {
    how: 'turns one bit anywhere in a true announcement',
    expect: 'held',
    async run(ground) {
      const scene = await makeScene(ground);
      const bytes = await scene.server.announcement();
      for (let at = 0; at < bytes.length; at += 23) {
        await scene.victim.hear(flipped(bytes, at, 1 << (at & 7)));
        await scene.victim.pass(2_500);
      }
      return found(scene);
    },
  };
}

export const signatureStripping: Attack = {
  id: 2,
  name: 'signature stripping',
  source: 'mender#1481',
  against: ['device'],
  variants: [
    heard(
      'takes both blocks away',
      'MALFORMED',
      stripped((items) => items.slice(0, 1)),
    ),
    heard(
      'takes the second block away',
      'MALFORMED',
      stripped((items) => items.slice(0, 2)),
    ),
    heard(
      'takes the first block away',
      'MALFORMED',
      stripped((items) => [items[0]!, items[2]!]),
    ),
    heard(
      'adds a third block',
      'MALFORMED',
      stripped((items) => [...items, items[2]!]),
    ),
    heard(
      'exchanges the two blocks',
      'MALFORMED',
      stripped((items) => [items[0]!, items[2]!, items[1]!]),
    ),
    heard('leaves the signature of block 1 empty', 'MALFORMED', stripped(emptied(1))),
    heard('leaves the signature of block 2 empty', 'MALFORMED', stripped(emptied(2))),
    heard('leaves the rollout unsigned', 'MALFORMED', (s) =>
      altered(s, ({ rollout }) => ({ rollout: relabelled(rollout, { signature: new Uint8Array() }) })),
    ),
    heard('leaves the receipt unsigned', 'MALFORMED', (s) =>
      altered(s, ({ receipt }) => ({ receipt: relabelled(receipt, { signature: new Uint8Array() }) })),
    ),
    heard('sends no receipt', 'MALFORMED', (s) => altered(s, () => ({ receipt: new Uint8Array() }))),
    heard('sends no rollout', 'MALFORMED', (s) => altered(s, () => ({ rollout: new Uint8Array() }))),
    heard('writes zeros for the first signature', 'BAD_SIGNATURE', stripped(emptied(1, 64))),
  ],
};

function stripped(change: Parameters<typeof withWrapper>[1]) {
  return (s: Scene) => altered(s, ({ envelope }) => ({ envelope: withWrapper(envelope, change) }));
}

function emptied(index: number, bytes = 0): Parameters<typeof withWrapper>[1] {
  return (items) => items.with(index, relabelled(items[index] as Uint8Array, { signature: new Uint8Array(bytes) }));
}

export const oneSigner: Attack = {
  id: 3,
  name: 'one of two signers stolen',
  source: 'TUF key compromise; RFC 9124 THREAT.KEY.EXPOSURE',
  against: ['device', 'server'],
  variants: [
    ...OTHERS.filter((role) => role !== 'collection').map((role) =>
      heard(`signs block 1 with the ${role} key`, 'WRONG_ROLE', signedBy(role, 'distribution')),
    ),
    ...OTHERS.filter((role) => role !== 'distribution').map((role) =>
      heard(`signs block 2 with the ${role} key`, 'WRONG_ROLE', signedBy('collection', role)),
    ),
    heard('has C and D, and no ledger', 'NO_RECEIPT', async (s) => {
      const honest = await s.server.parts();
      await s.server.publish(changed(s.second.image, 9), { bases: [s.first] });
      const { envelope, rollout } = await s.server.parts();
      return encodeAnnouncement({ ...honest, envelope, rollout });
    }),
    heard('signs the rollout with the distribution key', 'WRONG_ROLE', async (s) => {
      const payload = decode(decodeSign1(s.server.rollout).payload!);
      return altered(s, async () => ({
        rollout: await signStatement(sha256, 'rollout', payload, s.server.signers.distribution),
      }));
    }),
    ...OTHERS.filter((role) => role !== 'log').map((role) =>
      heard(`signs the head with the ${role} key`, 'WRONG_ROLE', (s) =>
        altered(s, async ({ receipt }) => {
          const { leafIndex, path } = readReceipt(receipt);
          const head = readHead(await signHead(sha256, s.server.head(), s.server.signers[role]));
          return { receipt: encodeReceipt(head, leafIndex, path) };
        }),
      ),
    ),
    ...centreRows,
    ...issueRows,
    ...shareRows,
    ...noPointRows,
  ],
};

export const sameKeyTwice: Attack = {
  id: 4,
  name: 'one key counted twice',
  source: 'TUF: one signature for each keyid',
  against: ['device', 'server'],
  variants: [
    heard('signs both blocks with C', 'WRONG_ROLE', signedBy('collection', 'collection')),
    heard('signs both blocks with D', 'WRONG_ROLE', signedBy('distribution', 'distribution')),
    heard('lets one peer cosign twice where two must', 'NO_QUORUM', (s) => cosigned(s, [PEERS[0]!, PEERS[0]!]), {
      root: quorum(2),
    }),
    heard('lets a stranger cosign', 'NO_QUORUM', (s) => cosigned(s, [PEERS[0]!, STRANGER]), { root: quorum(2) }),
    heard('repeats one root signature where two must sign', 'BAD_ROOT', async (s) => {
      const { root } = s.server.signers;
      const both = [publicKeyOf(root), publicKeyOf(STRANGER)];
      return rotated(s, [root, root], { keys: both, threshold: 2, implicit: [] });
    }),
    heard('names one root key twice in the next trust root', 'BAD_ROOT', async (s) => {
      const { root } = s.server.signers;
      return rotated(s, [root], { keys: [publicKeyOf(root), publicKeyOf(root)], threshold: 2, implicit: [] });
    }),
    heard('gives one key two roles in the next trust root', 'BAD_ROOT', async (s) => {
      const { root, log } = s.server.signers;
      return rotated(s, [root], { keys: [publicKeyOf(root), publicKeyOf(log)], threshold: 1, implicit: [] });
    }),
    ...countedTwiceRows,
  ],
};

export const crossProtocol: Attack = {
  id: 5,
  name: 'signature of one protocol used in another',
  source: 'Uptane; domain separation',
  against: ['device', 'server'],
  variants: [
    ...KINDS.filter((kind) => kind !== 'rollout' && kind !== 'head').map((kind) =>
      heard(`signs the rollout’s content as a ${kind}`, 'WRONG_TYPE', async (s) => {
        const payload = decode(decodeSign1(s.server.rollout).payload!);
        return altered(s, async () => ({
          rollout: await signStatement(sha256, kind, payload, s.server.signers.command),
        }));
      }),
    ),
    heard('labels a command as a rollout', 'BAD_SIGNATURE', async (s) => {
      const payload = decode(decodeSign1(s.server.rollout).payload!);
      const made = await signStatement(sha256, 'cmd', payload, s.server.signers.command);
      return altered(s, () => ({ rollout: reheaded(made, (map) => void map.set(HEADER_TYP, typOf('rollout'))) }));
    }),
    heard('signs the rollout without its context', 'BAD_SIGNATURE', async (s) => {
      const { payload } = decodeSign1(s.server.rollout);
      const rollout = await resigned(s.server.rollout, s.server.signers.command, payload!, () => undefined);
      return altered(s, () => ({ rollout }));
    }),
    heard('uses a rollout where the receipt belongs', 'MALFORMED', (s) =>
      altered(s, ({ rollout }) => ({ receipt: rollout })),
    ),
    heard('uses the receipt’s signature as that of block 1', 'BAD_SIGNATURE', (s) =>
      altered(s, ({ envelope, receipt }) => ({
        envelope: withWrapper(envelope, (items) => {
          const { signature } = decodeSign1(receipt);
          return items.with(1, relabelled(items[1] as Uint8Array, { signature }));
        }),
      })),
    ),
    told('acknowledges a report as a command', 'WRONG_TYPE', 'report'),
    told('acknowledges with the distribution key', 'WRONG_ROLE', 'ack', 'distribution'),
    told('acknowledges with the device’s own key', 'UNKNOWN_KEY', 'ack', 'own'),
    ...otherProtocolRows,
  ],
};

/** An acknowledgement that the server did not give: the device must keep its report. */
function told(
  how: string,
  expect: 'WRONG_TYPE' | 'WRONG_ROLE' | 'UNKNOWN_KEY',
  kind: 'report' | 'ack',
  role: Role | 'own' = 'command',
): Variant {
  return {
    how,
    expect,
    async run(ground) {
      const scene = await makeScene(ground, { updated: true, first: (server) => void (server.acknowledges = false) });
      const { victim, server } = scene;
      const report = server.reports.at(-1)!;
      const value = ackValue({
        deviceId: DEVICE_ID,
        counter: report.counter,
        leafHash: leafHash(sha256, victim.reports.at(-1)!),
      });
      const before = (await victim.look()).outbox;
      await victim.hear(
        await signStatement(sha256, kind, value, role === 'own' ? OWN : server.signers[role]),
        'command',
      );
      const { harm, codes } = await found(scene);
      const after = (await victim.look()).outbox;
      return { harm: after === before ? harm : `${before - after} reports were given up`, codes };
    },
  };
}

export const otherContent: Attack = {
  id: 6,
  name: 'second signature over other content',
  source: 'two signatures, one manifest',
  against: ['device', 'server'],
  variants: [
    heard('lets D sign another manifest', 'BAD_SIGNATURE', async (s) => {
      const { manifestBytes, releaseLeaf, leaf } = newest(s);
      const { size, root } = s.server.head();
      const block2 = await signBlock2(
        sha256,
        s.first.manifestBytes,
        { releaseLeaf, size, root },
        s.server.signers.distribution,
      );
      return altered(s, () => ({ envelope: encodeEnvelope(sha256, manifestBytes, leaf, block2) }));
    }),
    heard('lets C sign another manifest', 'BAD_SIGNATURE', async (s) => {
      const { manifestBytes, block2 } = newest(s);
      const leaf = await signBlock1(sha256, s.first.manifestBytes, s.first.releaseLeaf, s.server.signers.collection);
      return altered(s, () => ({ envelope: encodeEnvelope(sha256, manifestBytes, leaf, block2) }));
    }),
    heard(
      'lets block 2 confirm another block 1',
      'BAD_CHAIN',
      confirmed((s) => ({ releaseLeaf: s.first.releaseLeaf })),
    ),
    heard(
      'lets block 2 name a head that is not there yet',
      'BAD_CHAIN',
      confirmed(() => ({ size: 1_000 })),
    ),
    heard('lets block 2 name another head of the receipt’s size', 'SPLIT_VIEW', async (s) => {
      await confirmed((scene) => ({ size: scene.server.entries.length + 2, root: new Uint8Array(32) }))(s);
      return s.server.announcement();
    }),
    heard('gives block 2 a digest of its own', 'MALFORMED', (s) =>
      altered(s, ({ envelope }) => ({
        envelope: withWrapper(envelope, (items) => {
          const { suitDigest } = readEnvelope(sha256, envelope);
          return items.with(2, encodeSign1({ ...decodeSign1(items[2] as Uint8Array), payload: suitDigest }));
        }),
      })),
    ),
    ...otherContentRows,
  ],
};

function confirmed(what: (s: Scene) => { releaseLeaf?: Uint8Array; size?: number; root?: Uint8Array }) {
  return async (s: Scene) => {
    const options = { bases: [s.first], previousLeaf: s.first.releaseLeaf, change: { sequence: 2 } };
    await s.server.publish(changed(s.second.image, 7), { ...options, confirmed: what(s) });
    return s.server.announcement();
  };
}
