/** A key generation centre in the next trust root: named with other points, as a signer, or revoked with what it issued. */
import type { Code } from '@countersign/device-sdk';
import {
  encodeRoot,
  encodeSignedRoot,
  type ImplicitKey,
  implicitThumbprint,
  publicKeyOf,
  ROOTS,
  signDetached,
  type TrustRoot,
} from '@countersign/device-sdk/format';
import type { Variant } from '../attack.ts';
import { C1, type Issuance, implicitRoot, issuance, issueTo, newCentre } from '../centre.ts';
import { flippedIn } from '../forge.ts';
import { verifier } from '../pocket/publisher.ts';
import { found, makeScene } from '../scene.ts';
import { rotated, STRANGER } from '../stolen.ts';
import { under } from './centre.ts';

const { sha256 } = verifier;

interface Listing {
  keys?: ImplicitKey[];
  centres?: Pick<Issuance['centre'], 'publicKey'>[];
}

/** Row 31: the next trust root goes over to issued keys, with one thing exchanged. The root keys themselves sign it. */
function introduced(how: string, expect: Code, change: (issued: Issuance) => Listing | Promise<Listing>): Variant {
  return {
    how,
    expect,
    async run(ground) {
      const s = await makeScene(ground);
      const issued = await issuance();
      const { keys = issued.implicit.keys, centres = [issued.centre] } = await change(issued);
      const { roles } = implicitRoot(issued);
      const { implicit } = implicitRoot({ implicit: { centres: centres.map(({ publicKey }) => publicKey), keys } });
      await s.victim.hear(await rotated(s, [s.server.signers.root], roles.root, { roles, implicit }));
      await s.victim.pass(10_000);
      return found(s);
    },
  };
}

export const centreRootRows: Variant[] = [
  introduced('replaces a point in the next trust root', 'BAD_ROOT', async ({ centre: c, d1 }) => ({
    keys: [(await issueTo(c, C1)).key, d1.key],
  })),
  introduced('names another epoch in the next trust root', 'BAD_ROOT', ({ c1, d1 }) => ({
    keys: [{ ...c1.key, epoch: 2 }, d1.key],
  })),
  introduced('exchanges the points of the two signers', 'BAD_ROOT', ({ c1, d1 }) => ({
    keys: [
      { ...c1.key, point: d1.key.point },
      { ...d1.key, point: c1.key.point },
    ],
  })),
  introduced('pins another centre in the next trust root', 'BAD_ROOT', () => ({ centres: [newCentre()] })),
  introduced('lists a point of a centre that is not pinned', 'BAD_ROOT', async ({ d1 }) => ({
    keys: [(await issueTo(newCentre(), C1)).key, d1.key],
  })),
  introduced('pins no centre in the next trust root', 'BAD_ROOT', () => ({ centres: [] })),
  introduced('pins five centres in the next trust root', 'BAD_ROOT', ({ centre: own }) => ({
    centres: [own, newCentre(), newCentre(), newCentre(), newCentre()],
  })),
  introduced('pins a centre on another curve', 'BAD_ROOT', () => ({ centres: [{ publicKey: publicKeyOf(STRANGER) }] })),
  introduced('pins a centre on another curve beside the true one', 'BAD_ROOT', ({ centre: own }) => ({
    centres: [own, { publicKey: publicKeyOf(STRANGER) }],
  })),
  introduced('leaves a point out of the next trust root', 'BAD_ROOT', ({ c1 }) => ({ keys: [c1.key] })),
  replacedOnTheWay(),
  centreAsSigner(),
];

/** The distribution server hands points on in trust roots: it exchanges one in a root that is rightly signed. */
function replacedOnTheWay(): Variant {
  return {
    how: 'is D, and replaces C’s point in the trust root that it hands on',
    expect: 'BAD_ROOT',
    async run(ground) {
      const s = await makeScene(ground);
      const issued = await issuance();
      const root: TrustRoot = { ...s.server.root, version: 2, ...implicitRoot(issued) };
      const payload = encodeRoot(root);
      const signature = await signDetached(sha256, 'root', payload, s.server.signers.root);
      const bytes = flippedIn(encodeSignedRoot(payload, [signature]), issued.c1.key.point.subarray(1));
      s.victim.lie = (answer) => (answer.kind === ROOTS ? { ...answer, roots: [bytes] } : answer);
      s.server.root.version = 2;
      await s.victim.hear(await s.server.announcement());
      await s.victim.pass(10_000);
      return found(s);
    },
  };
}

function centreAsSigner(): Variant {
  return {
    how: 'names the centre as a signer in the next trust root',
    expect: 'BAD_ROOT',
    async run(ground) {
      const s = await makeScene(ground);
      const issued = await issuance();
      const { roles, implicit } = implicitRoot(issued);
      const command = { threshold: 1, keys: [issued.centre.publicKey], implicit: [] };
      const change = { roles: { ...roles, command }, implicit };
      await s.victim.hear(await rotated(s, [s.server.signers.root], roles.root, change));
      await s.victim.pass(10_000);
      return found(s);
    },
  };
}

/** Row 32: the next trust root revokes what the centre has issued, or the centre. */
export const revokedIssueRows: Variant[] = [
  revokedIssue('uses an issued key after its revocation', ({ c1 }) => implicitThumbprint(sha256, c1.key)),
];

function revokedIssue(how: string, print: (issued: Issuance) => Uint8Array): Variant {
  return {
    how,
    expect: 'REVOKED',
    async run(ground) {
      const { c1, d1 } = await issuance();
      const s = await under(ground, [c1, d1]);
      const { roles } = s.server.root;
      const revocations = [{ thumbprint: print(s), logSize: 3 }];
      await s.victim.hear(await rotated(s, [s.server.signers.root], roles.root, { roles, revocations }));
      await s.victim.pass(10_000);
      return found(s, ['root']);
    },
  };
}
