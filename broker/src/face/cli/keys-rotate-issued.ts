/**
 * `keys rotate` where a key generation centre issues the key: asked for, on the record, named by the next trust root. A call
 * that failed half-way is repeated: what was done is found and not done again.
 */
import { demand, type Verifier } from '@countersign/device-sdk';
import {
  ALG_ESP256,
  equal,
  hex,
  IMPLICIT_ROLES,
  type ImplicitKey,
  type ImplicitRole,
  implicitKeysOf,
  implicitThumbprint,
  isImplicit,
  kidOf,
  type PublicKey,
  revokedFrom,
  type SignedRoot,
  type TrustRoot,
  thumbprint,
  unhex,
} from '@countersign/device-sdk/format';
import { findPassphrase } from '@countersign/device-sdk/host/passphrase';
import { keysOf } from '@countersign/device-sdk/verify';
import { issuedPath, readIssued, requestKey } from '../../keys/kgc/request.ts';
import { activeKeys, planNextRoot, type RootChange, rotation } from '../../keys/next-root.ts';
import { openKeyRing } from '../../keys/ring.ts';
import type { IssueKey } from '../../ledger/contract/issue-key-args.ts';
import type { IssuedKeyView } from '../../ledger/contract/views.ts';
import { askForShare } from '../client/centre.ts';
import { ledgerSize, rootInForce } from '../client/roots.ts';
import type { Session } from '../client/session.ts';
import { keysFolder } from '../up/folders.ts';
import { issue, onRecord } from '../up/issued.ts';
import { connectAs, dataFolder, type PersonOptions, readInput } from './connect.ts';
import { note, WrongUse } from './program.ts';
import { pinnedIn, signAndSubmit } from './sign-root.ts';

export interface RotateIssuedOptions extends PersonOptions {
  /** Address of the centre. */
  kgc?: string;
  /** The centre's key in hex, 65 bytes. */
  centre?: string;
  tokenFile: string[];
  /** What `keys request --next` left where the server runs. */
  issued: string[];
  name?: string;
  stolenFrom?: number;
  rootKeys?: string;
  out?: string;
}

/** Whether the call is about keys of a centre: it says so, or such a key was asked for already. */
export function isOfCentre({ kgc, issued }: RotateIssuedOptions): boolean {
  return kgc !== undefined || issued.length > 0;
}

/**
 * @param which the role whose key is replaced; `kgc`: the centre, and with it every key that it issued
 * @throws Refusal BAD_REQUEST for `kgc` where no server has such a key; UNKNOWN_KEY for a second centre beside one whose keys
 * sign; the centre's, the contract's, BAD_ROOT
 */
export async function rotateIssued(which: ImplicitRole | 'kgc', options: RotateIssuedOptions) {
  const data = dataFolder(options);
  const { session, signer } = await connectAs(options, ['operator', 'approver']);
  const { verifier } = session;
  const passphrase = await findPassphrase({ file: options.passphraseFile });
  const here = { data, passphrase, rootKeys: options.rootKeys, out: options.out };
  let current = await rootInForce(session, await pinnedIn(data));
  await demandReached(session, options.stolenFrom);
  const roles = which === 'kgc' ? rolesOfCentres(verifier, current.root) : [which];
  const none = 'no server signs with a key of a centre: begin with countersign keys rotate collection --kgc URL';
  demand(roles.length > 0, 'BAD_REQUEST', none);
  // Where no key of a centre signs, whichever is asked takes the place of all that were pinned before.
  const moves = which === 'kgc' || rolesOfCentres(verifier, current.root).length === 0;
  const found = await issuedFor(session, roles, current.root, options, passphrase);
  const centre = centreOf(verifier, current.root, found, options);
  if (!pins(verifier, current.root, centre)) {
    demand(moves, 'UNKNOWN_KEY', 'the trust root pins another centre: countersign keys rotate kgc');
    // The ledger takes no key of a centre that it does not know, so the centre comes one version before its keys.
    const pinned = await signAndSubmit(
      session,
      current,
      planNextRoot(verifier, current.root, { centres: [centre] }),
      here,
    );
    if (!pinned.inForce) return { ...pinned, text: `${pinned.text}, and then this command again` };
    note(pinned.text);
    current = await rootInForce(session, await pinnedIn(data));
  }
  const known = await onRecord(session);
  for (const one of found) {
    if (!known.has(hex(implicitThumbprint(verifier.sha256, one.key)))) await issue(session, signer, one);
  }
  // Read last: what the former key signed meanwhile stays valid.
  const size = await ledgerSize(session);
  const stolen = which === 'kgc' ? { centre: options.stolenFrom } : { key: options.stolenFrom };
  const change = exchanged(verifier, current.root, found, { size, stolen, by: moves ? centre : undefined });
  return signAndSubmit(session, current, planNextRoot(verifier, current.root, change), here);
}

async function demandReached(session: Session, stolenFrom: number | undefined): Promise<void> {
  const size = await ledgerSize(session);
  if (stolenFrom !== undefined && stolenFrom > size)
    throw new WrongUse(`--stolen-from ${stolenFrom}: the ledger has ${size} entries`);
}

/** Those that sign with a key of a centre now. */
function rolesOfCentres(verifier: Verifier, root: TrustRoot): ImplicitRole[] {
  return IMPLICIT_ROLES.filter((role) => activeKeys(verifier, root, role).some(isImplicit));
}

function pins({ sha256 }: Verifier, root: TrustRoot, centre: PublicKey): boolean {
  return implicitKeysOf(sha256, root).centres.some((known) => equal(known.bytes, centre.bytes));
}

interface Exchange {
  size: number;
  /** The first leaf that a thief may have had a hand in. A key of a stolen centre is no stolen key: what it signed stays valid. */
  stolen: { key?: number | undefined; centre?: number | undefined };
  /** The centre that takes the place of all others. */
  by: PublicKey | undefined;
}

/** All of one centre. */
function exchanged(
  verifier: Verifier,
  root: TrustRoot,
  found: readonly IssueKey[],
  { size, stolen, by }: Exchange,
): RootChange {
  const { sha256 } = verifier;
  const from = stolen.key ?? size;
  const changes = found.map(({ key }) => rotation(verifier, root, key.role, [], from, stolen.key !== undefined));
  const others = by === undefined ? [] : implicitKeysOf(sha256, root).centres.filter(isAnother);
  const centres = others.map((centre) => ({ kid: hex(kidOf(sha256, centre)), logSize: stolen.centre ?? size }));
  return {
    issued: found.map(({ key }) => key),
    revoke: [...changes.flatMap((change) => change.revoke ?? []), ...centres],
    remove: changes.flatMap((change) => change.remove ?? []),
  };

  function isAnother(centre: PublicKey): boolean {
    return !equal(centre.bytes, by!.bytes) && revokedFrom(sha256, root, centre) === undefined;
  }
}

/** The new key of each role: brought in a file, asked for by a call before this one, or asked for now. */
async function issuedFor(
  session: Session,
  roles: readonly ImplicitRole[],
  root: TrustRoot,
  options: RotateIssuedOptions,
  passphrase: string | undefined,
): Promise<IssueKey[]> {
  const brought = await Promise.all(options.issued.map(readIssued));
  const found: IssueKey[] = [];
  const tokens = [...options.tokenFile];
  for (const role of roles) {
    const inFile = brought.find(({ key }) => key.role === role);
    found.push(inFile ?? (await askedFor(session, role, root, options, passphrase, tokens)));
  }
  return found;
}

async function askedFor(
  session: Session,
  role: ImplicitRole,
  root: TrustRoot,
  options: RotateIssuedOptions,
  passphrase: string | undefined,
  tokens: string[],
): Promise<IssueKey> {
  const { kgc, tokenFile } = options;
  const data = dataFolder(options);
  if (data === undefined || kgc === undefined)
    throw new WrongUse(`say where the new ${role} key is from: --kgc URL and --data DIR, or --issued FILE`);
  const centre = centreNamed(session.verifier, options);
  const folder = keysFolder(data, role);
  // Beside the tokens stands none for a role whose key is here already.
  const token = tokens.shift();
  const before = await waiting(session.verifier, folder, role, root, centre, passphrase);
  if (before) return before;
  if (token === undefined)
    throw new WrongUse(`${tokenFile.length} --token-file: one is needed for each key, collection's first`);
  const { sha256 } = session.verifier;
  const name = options.name ?? nameNow(session.verifier, role, root);
  const epoch = await nextEpoch(session, role, name);
  const identity = { role, name, epoch };
  const secret = new TextDecoder().decode(await readInput(token)).trim();
  const { issuedFile } = await requestKey({
    ...{ folder, identity, sha256, centre, passphrase, next: true },
    ask: (point) => askForShare(kgc, secret, identity, point),
  });
  return readIssued(issuedFile);
}

/** A key that this centre issued and no root names yet. */
async function waiting(
  verifier: Verifier,
  folder: string,
  role: ImplicitRole,
  root: TrustRoot,
  centre: PublicKey,
  passphrase: string | undefined,
): Promise<IssueKey | undefined> {
  const ring = await openKeyRing(folder, [role], { passphrase });
  const newest = ring.newest(role);
  const listed = keysOf(verifier, root, role).some((key) => equal(key.bytes, newest.bytes));
  const ours = isImplicit(newest) && equal(newest.bytes.slice(65), centre.bytes);
  return ours && !listed ? readIssued(issuedPath(folder, role, ring.count(role))) : undefined;
}

/** @throws Refusal BAD_REQUEST where the role has no key of a centre: its server has no name yet */
function nameNow(verifier: Verifier, role: ImplicitRole, root: TrustRoot): string {
  const last = implicitKeysOf(verifier.sha256, root).keys.findLast((key) => key.role === role);
  demand(last, 'BAD_REQUEST', `no ${role} key of a centre is listed: say the server's name with --name`);
  return last.name;
}

async function nextEpoch({ api }: Session, role: ImplicitRole, name: string): Promise<number> {
  const all = (await api.get('/api/v1/issued-keys')) as IssuedKeyView[];
  const epochs = all.filter((it) => it.role === role && it.name === name).map(({ epoch }) => epoch);
  return Math.max(0, ...epochs) + 1;
}

function centreNamed({ checkKey }: Verifier, { centre }: RotateIssuedOptions): PublicKey {
  const bytes = centre === undefined ? undefined : unhex(centre);
  if (bytes?.length !== 65)
    throw new WrongUse("--centre is the centre's public key: 130 hex digits, beginning with 04");
  checkKey(ALG_ESP256, bytes);
  return { alg: ALG_ESP256, bytes };
}

/** The one centre of these keys. @throws Refusal BAD_REQUEST for keys of two; UNKNOWN_KEY */
function centreOf(
  verifier: Verifier,
  root: SignedRoot['root'],
  found: readonly IssueKey[],
  options: RotateIssuedOptions,
): PublicKey {
  const { sha256 } = verifier;
  const given = options.centre === undefined ? [] : [centreNamed(verifier, options)];
  const all = [...given, ...implicitKeysOf(sha256, root).centres];
  const of = ({ centre }: ImplicitKey) => all.find((item) => equal(thumbprint(sha256, item), centre));
  const centre = of(found[0]!.key);
  demand(centre, 'UNKNOWN_KEY', 'the key is of a centre that is not pinned: give its public key with --centre');
  const one = found.every(({ key }) => equal(key.centre, found[0]!.key.centre));
  demand(one, 'BAD_REQUEST', 'these keys are of two centres');
  return centre;
}
