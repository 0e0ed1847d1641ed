/** Tokens of the API and second factors: `keys token new|list|revoke`, `people totp`. They need the folder's own token. */
import { type Command, Option } from 'commander';
import { DAYS } from '../access/access-routes.ts';
import { SCOPES, type Scope } from '../access/rights.ts';
import type { TokenView } from '../access/tokens.ts';
import { inPath } from '../client/session.ts';
import { connect, type ServerOptions, serverOptions } from './connect.ts';
import { note, verb } from './program.ts';
import { table, timeText } from './table.ts';
import { readWhole } from './values.ts';

interface NewOptions extends ServerOptions {
  scope: Scope[];
  machine?: boolean;
  product?: string[];
  days: number;
}

/** `keys token new|list|revoke`. */
export function tokenVerbs(keys: Command): void {
  const token = keys.command('token').description('tokens of a server’s API for people and machines');
  newVerb(token);
  const list = serverOptions(token.command('list').description('every token: whose, for what, until when, used when'));
  verb(list, async (options: ServerOptions) => {
    const { api } = await connect(options);
    const all = (await api.get('/api/v1/tokens')) as TokenView[];
    const rows = all.map((one) => [
      ...[one.id, one.name, one.kind, one.scopes.join(', '), one.products?.length ?? 'all'],
      ...[timeText(one.expiresAt), one.usedAt === null ? 'never' : timeText(one.usedAt), stateOf(one)],
    ]);
    return {
      json: all,
      text: table(['id', 'whose', 'kind', 'scopes', 'products', 'expires', 'last use', ''], rows),
    };
  });
  const revoke = serverOptions(token.command('revoke <id>').description('end a token, at once'));
  verb(revoke, async (id: string, options: ServerOptions) => {
    const { api } = await connect(options);
    const view = (await api.post(`/api/v1/tokens/${inPath(id)}/revoke`, {})) as TokenView;
    return { json: view, text: `token ${view.id} of ${view.name} is worth nothing from now on` };
  });
}

function newVerb(token: Command): void {
  const command = serverOptions(
    token.command('new <name>').description('make a token for a person on the record, or for a machine'),
  )
    .addOption(
      new Option('--scope <scopes...>', 'what it is for; commands look before they act, and need read besides')
        .choices(SCOPES)
        .makeOptionMandatory(),
    )
    .option('--machine', 'for a machine: no person has to sign what it brings')
    .option('--product <names...>', 'for these products alone')
    .option('--days <n>', 'how long it lasts', readWhole, DAYS);
  verb(command, async (name: string, options: NewOptions) => {
    const { api } = await connect(options);
    const kind = options.machine ? 'machine' : 'person';
    const asked = { kind, name, scopes: options.scope, products: options.product, days: options.days };
    const made = (await api.post('/api/v1/tokens', asked)) as TokenView & { token: string };
    note('Shown this once; the server keeps a hash.');
    return {
      json: made,
      text: `${made.token}\nid ${made.id}, ${made.scopes.join(', ')}, until ${timeText(made.expiresAt)}`,
    };
  });
}

function stateOf({ revokedAt, expiresAt }: TokenView): string {
  if (revokedAt !== null) return 'revoked';
  return expiresAt * 1000 <= Date.now() ? 'expired' : '';
}

/** `people totp`. */
export function totpVerb(people: Command): void {
  const command = serverOptions(
    people.command('totp <name>').description('give a person a second factor: one-time codes of an authenticator'),
  ).option('--renew', 'replace the one that there is');
  verb(command, async (name: string, options: ServerOptions & { renew?: boolean }) => {
    const { api } = await connect(options);
    const renew = options.renew === true;
    const made = (await api.post(`/api/v1/people/${inPath(name)}/totp`, { renew })) as { name: string; uri: string };
    note(`Shown this once, for ${name}'s authenticator. From now on ${name} signs with --code DIGITS.`);
    return { json: made, text: made.uri };
  });
}
