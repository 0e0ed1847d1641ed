/** `keys rotate ROLE`: everything in one go where keys and root keys lie in one folder, or the draft for those who sign. */
import { existsSync } from 'node:fs';
import { demand } from '@countersign/device-sdk';
import { equal, IMPLICIT_ROLES, isImplicit, type PublicKey, ROLES, type Role } from '@countersign/device-sdk/format';
import { findPassphrase } from '@countersign/device-sdk/host/passphrase';
import { keysOf } from '@countersign/device-sdk/verify';
import type { Command } from 'commander';
import { planNextRoot, rotation } from '../../keys/next-root.ts';
import { openKeyRing } from '../../keys/ring.ts';
import { ledgerSize, rootInForce } from '../client/roots.ts';
import { KEY_HOLDERS, type KeyHolder, keysFolder } from '../up/folders.ts';
import { publicKeysByRole, readServerKeysFile, SERVER_ROLES } from '../up/identities.ts';
import { connect, dataFolder, personOptions } from './connect.ts';
import { isOfCentre, type RotateIssuedOptions, rotateIssued } from './keys-rotate-issued.ts';
import { verb, WrongUse } from './program.ts';
import { replacedPeer } from './rotate-peer.ts';
import { pinnedIn, signAndSubmit } from './sign-root.ts';
import { collect, readWhole } from './values.ts';

interface RotateOptions extends RotateIssuedOptions {
  keys?: string;
  peerData?: string;
}

export function rotateVerb(keys: Command): void {
  const command = personOptions(
    keys
      .command('rotate <role> [peer]')
      .description(
        `replace the key of a role: ${ROLES.join(', ')} (which one: its key id); or kgc: a centre, and the keys that it issued`,
      ),
  )
    .option(
      '--keys <file>',
      'public keys made where the server runs (`keys server X --next`), instead of new ones in --data',
    )
    .option('--peer-data <dir>', "for peer: the peer's own folder, instead of --data: its next key is made there")
    .option('--stolen-from <size>', "the key is a thief's: only its work before this leaf counts", readWhole)
    .option('--root-keys <dir>', 'folder of root key files, instead of root/keys in --data')
    .option('-o, --out <file>', 'where the keys here are too few: file for those who sign besides')
    .option('--kgc <url>', 'a key generation centre issues the new key: its address')
    .option('--centre <key>', "that centre's public key, 130 hex digits, from whoever runs it and not from the net")
    .option(
      '--token-file <file>',
      "token of the server's next epoch (`keys allow`); for kgc collection's first",
      collect,
      [],
    )
    .option('--issued <file>', 'what `keys request --next` left where the server runs, instead of asking', collect, [])
    .option('--name <name>', 'name of the server at the centre, where it has no key of one yet');
  verb(command, async (name: string, peer: string | undefined, options: RotateOptions) => {
    if (name !== 'peer' && (peer ?? options.peerData) !== undefined)
      throw new WrongUse(`${name} has no name and no folder of its own beside its role: those are for peer`);
    if (name === 'kgc') return rotateIssued(name, options);
    const role = ROLES.find((item) => item === name);
    if (!role) throw new WrongUse(`${name} is no role of the trust root: ${ROLES.join(', ')}, kgc`);
    if (!isOfCentre(options)) return rotateOwn(role, peer, options);
    const issued = IMPLICIT_ROLES.find((item) => item === role);
    if (!issued) throw new WrongUse(`no centre issues a ${role} key, only ${IMPLICIT_ROLES.join(' and ')}`);
    return rotateIssued(issued, options);
  });
}

/** The new key was made here, or where its server runs. */
async function rotateOwn(role: Role, peer: string | undefined, options: RotateOptions) {
  const data = dataFolder(options);
  const keysIn = role === 'peer' ? (options.peerData ?? data) : data;
  const session = await connect(options);
  const { verifier } = session;
  const current = await rootInForce(session, await pinnedIn(data));
  const size = await ledgerSize(session);
  const from = options.stolenFrom ?? size;
  if (from > size) throw new WrongUse(`--stolen-from ${from}: the ledger has ${size} entries`);
  const passphrase = await findPassphrase({ file: options.passphraseFile });
  const listed = ROLES.flatMap((item) => keysOf(verifier, current.root, item));
  const made = options.keys === undefined ? keysIn : undefined;
  // Before the next key is made: a call that names the wrong peer leaves nothing behind.
  const replaced = role === 'peer' ? [await replacedPeer(verifier, current.root, peer, made, passphrase)] : undefined;
  const next = await nextKeys(role, listed, keysIn, passphrase, options);
  const change = rotation(verifier, current.root, role, next, from, options.stolenFrom !== undefined, replaced);
  return signAndSubmit(session, current, planNextRoot(verifier, current.root, change), {
    ...{ data, passphrase, rootKeys: options.rootKeys, out: options.out },
  });
}

/** A key that an earlier call prepared and no root names yet is taken: a command that failed half-way is repeated. */
async function nextKeys(
  role: Role,
  listed: readonly PublicKey[],
  data: string | undefined,
  passphrase: string | undefined,
  { keys }: RotateOptions,
): Promise<PublicKey[]> {
  if (keys !== undefined) {
    const given = publicKeysByRole([await readServerKeysFile(keys)])[role] ?? [];
    demand(given.length > 0, 'BAD_REQUEST', `${keys} holds no ${role} key`);
    return given;
  }
  if (data === undefined)
    throw new WrongUse('say where the new key is made: --data DIR, or give its public one with --keys');
  const holder = holderOf(role);
  const folder = keysFolder(data, holder);
  const elsewhere = `no ${role} key lies in ${folder}: make the next one where it does (countersign keys server ${holder} --next), and give its public half with --keys FILE`;
  demand(existsSync(folder), 'NOT_FOUND', elsewhere);
  const ring = await openKeyRing(folder, [role], { passphrase });
  const newest = ring.newest(role);
  const named = listed.some((known) => equal(known.bytes, newest.bytes));
  // One of a centre goes another way: on the record first.
  if (!named && !isImplicit(newest) && ring.count(role) > 1) return [newest];
  return (await ring.prepare([role])).map(({ key }) => key);
}

function holderOf(role: Role): KeyHolder {
  return KEY_HOLDERS.find((holder) => SERVER_ROLES[holder].includes(role))!;
}
