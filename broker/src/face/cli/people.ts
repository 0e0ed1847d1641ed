import { ALG_ED25519, hex, type PublicKey, publicKeyOf, thumbprint, unhex } from '@countersign/device-sdk/format';
import { findPassphrase } from '@countersign/device-sdk/host/passphrase';
import { readPublicKeyFile } from '@countersign/device-sdk/host/public-key';
import { type Command, Option } from 'commander';
import { nextPersonKey } from '../../keys/people.ts';
import { PERSON_ROLES, type PersonRole } from '../../ledger/contract/args.ts';
import type { PersonView, ProductView } from '../../ledger/contract/views.ts';
import { approvePerson, proposePerson, rekeyPerson, revokePerson } from '../client/people.ts';
import { inPath, type Session } from '../client/session.ts';
import { peopleFolder } from '../up/folders.ts';
import {
  connect,
  connectAs,
  dataFolder,
  type PersonOptions,
  personNamed,
  personOptions,
  readInput,
  type ServerOptions,
  serverOptions,
} from './connect.ts';
import { verb, WrongUse } from './program.ts';
import { short, table } from './table.ts';
import { totpVerb } from './tokens.ts';

/** `people`, `people add|approve|rekey|revoke|totp`. */
export function peopleVerbs(program: Command): void {
  const people = program.command('people').description('who may sign what');
  listVerb(people);
  addVerb(people);
  rekeyVerb(people);
  totpVerb(people);
  const approve = personOptions(
    people.command('approve <name>').description('approve what somebody else proposed about a person'),
  ).option('--key <public>', 'approve only this key, as `people add` takes it');
  verb(approve, async (name: string, options: PersonOptions & { key?: string }) => {
    const { session, signer } = await connectAs(options, ['approver']);
    const key = options.key === undefined ? undefined : await readPublic(options.key);
    const { proposal, ...committed } = await approvePerson(session, signer, name, key);
    const { what, roles, thumbprint, products } = proposal;
    const limited = products ? ` for class ${products.join(', ')} alone` : '';
    const made =
      what === 'revoke' ? 'revoked' : `${roles.join(', ') || 'goes on'}${limited} with key ${short(thumbprint)}`;
    return {
      json: { name, proposal, ...committed },
      text: `approved ${name}: ${made}, entry ${committed.leafIndex}`,
    };
  });
  const revoke = personOptions(
    people.command('revoke <name>').description('propose that a person may sign no more'),
  ).requiredOption('--reason <text>', 'why; it stays on the record');
  verb(revoke, async (name: string, options: PersonOptions & { reason: string }) => {
    const { session, signer } = await connectAs(options, ['operator', 'approver']);
    const committed = await revokePerson(session, signer, name, options.reason);
    return {
      json: { name, ...committed },
      text: `proposed to revoke ${name}: another approver runs  countersign people approve ${name}`,
    };
  });
}

function listVerb(people: Command): void {
  verb(serverOptions(people), async (options: ServerOptions) => {
    const { api } = await connect(options);
    const all = (await api.get('/api/v1/people')) as PersonView[];
    const rows = all.map((p) => [p.name, p.roles.join(', '), productsOf(p), p.state, short(p.thumbprint)]);
    return { json: all, text: table(['name', 'roles', 'products', 'state', 'key'], rows) };
  });
}

/** Class ids as `people add` and `products` show them. */
function productsOf({ products }: PersonView): string {
  return products?.map((id) => short(id)).join(', ') ?? 'all';
}

interface AddOptions extends PersonOptions {
  role: PersonRole[];
  key: string;
  product?: string[];
}

function addVerb(people: Command): void {
  const command = personOptions(
    people.command('add <name>').description('propose a person; another approver makes it true'),
  )
    .addOption(new Option('--role <roles...>', 'what the person may sign').choices(PERSON_ROLES).makeOptionMandatory())
    .option('--product <names...>', 'for these products alone; without it for all, and for people and keys')
    .requiredOption('--key <public>', "the person's public key: 64 hex digits, a PEM file or a COSE_Key file");
  verb(command, async (name: string, options: AddOptions) => {
    const { session, signer } = await connectAs(options, ['operator', 'approver']);
    const products = options.product && (await classIdsOf(session.api, options.product));
    const person = { name, roles: options.role, key: await readPublic(options.key), products };
    const committed = await proposePerson(session, signer, person);
    return {
      json: { name, ...committed },
      text: `proposed ${name}: another approver runs  countersign people approve ${name}`,
    };
  });
}

async function classIdsOf(api: Session['api'], names: readonly string[]): Promise<Uint8Array[]> {
  const found = await Promise.all(names.map((name) => api.get(`/api/v1/products/${inPath(name)}`)));
  return (found as ProductView[]).map(({ classId }) => unhex(classId)!);
}

/** Whoever has an operator's or approver's key may propose for others; everybody for himself, and that is the default. */
function rekeyVerb(people: Command): void {
  const command = personOptions(
    people
      .command('rekey <name>')
      .description('propose the next key of a person, who keeps name and roles; another approver makes it true'),
  ).option(
    '--key <public>',
    'public key made elsewhere (`keys new`), instead of a new one beside the present one in --data',
  );
  verb(command, async (name: string, options: PersonOptions & { key?: string }) => {
    const as = options.as ?? (options.keyFile === undefined ? name : undefined);
    const { session, signer } = await connectAs({ ...options, ...(as === undefined ? {} : { as }) }, [
      'operator',
      'approver',
    ]);
    const made = options.key === undefined ? await madeHere(session, name, options) : undefined;
    const key = made ? publicKeyOf(made) : await readPublic(options.key!);
    const committed = await rekeyPerson(session, signer, { name, key });
    const print = hex(thumbprint(session.verifier.sha256, key));
    const file = made === undefined ? {} : { file: made.path };
    const approvers = await approversBeside(session, as);
    const next = approvers.length
      ? `${approvers.join(' or ')} runs  countersign people approve ${name}`
      : `there is no approver besides ${as}. Another operator runs  countersign people rekey ${name} --as OPERATOR, and ${as} approves`;
    return {
      json: { name, thumbprint: print, approvers, ...file, ...committed },
      text: `proposed key ${short(print)} for ${name}: ${next}`,
    };
  });
}

/** Who may put in force what this person proposes. Undefined: a key from elsewhere signed, and whose it is is not known here. */
async function approversBeside({ api }: Session, proposer: string | undefined): Promise<string[]> {
  const all = (await api.get('/api/v1/people')) as PersonView[];
  const may = all.filter((p) => p.state === 'active' && p.roles.includes('approver') && p.products === undefined);
  return may.map(({ name }) => name).filter((name) => name !== proposer);
}

async function madeHere(session: Session, name: string, options: PersonOptions) {
  const data = dataFolder(options);
  if (data === undefined)
    throw new WrongUse('say where the new key is made: --data DIR, or give its public one with --key');
  const { publicKey } = await personNamed(session, name);
  const passphrase = await findPassphrase({ file: options.passphraseFile });
  return nextPersonKey(peopleFolder(data), name, publicKey, passphrase);
}

/** 64 hex digits are an Ed25519 key; anything else names a file. */
export async function readPublic(text: string): Promise<PublicKey> {
  const bytes = unhex(text);
  if (bytes?.length === 32) return { alg: ALG_ED25519, bytes };
  return readPublicKeyFile(await readInput(text));
}
