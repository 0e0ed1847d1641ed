import { hex } from '@countersign/device-sdk/format';
import type { Command } from 'commander';
import type { GrantView } from '../../ledger/contract/views.ts';
import { grantCode, revokeGrant } from '../client/grants.ts';
import { authoriseVerb, authorityVerb } from './authorise.ts';
import { connect, connectAs, type PersonOptions, personOptions, type ServerOptions, serverOptions } from './connect.ts';
import { expiryOf, factoryFiles, factoryOptions, type GrantOptions } from './grant-options.ts';
import { note, verb } from './program.ts';
import { table, timeText } from './table.ts';
import { readCount, readDeviceId, readSpan } from './values.ts';

interface CodeOptions extends GrantOptions {
  count: number;
}

/** `devices code`, `devices grants`, `devices revoke-grant`: enrolment without a person at the line. */
export function grantVerbs(devices: Command): void {
  codeVerb(devices);
  authoriseVerb(devices);
  authorityVerb(devices);
  const list = serverOptions(devices.command('grants').description('who may enrol devices without a person'));
  verb(list.option('--product <name>', 'of one product'), async (options: ServerOptions & { product?: string }) => {
    const { api } = await connect(options);
    const all = (await api.get('/api/v1/grants', { product: options.product })) as GrantView[];
    const rows = all.map((g) => [g.grantId, g.kind, g.classId, `${g.used} of ${g.devices}`, ...end(g), g.by]);
    return { json: all, text: table(['grant', 'kind', 'class', 'enrolled', 'state', 'until', 'by'], rows) };
  });
  const revoke = personOptions(
    devices
      .command('revoke-grant')
      .description('nothing is enrolled under it any more; its devices stay')
      .argument('<id>', 'grant id, 32 hex digits', readDeviceId),
  ).requiredOption('--reason <text>', 'why; it stays on the record');
  verb(revoke, async (id: Uint8Array, options: PersonOptions & { reason: string }) => {
    const { session, signer } = await connectAs(options, ['operator']);
    const committed = await revokeGrant(session, signer, id, options.reason);
    return { json: { grantId: hex(id), ...committed }, text: `revoked grant ${hex(id)}, entry ${committed.leafIndex}` };
  });
}

function end({ state, expires, used, devices }: GrantView): [string, string | null] {
  const now = Math.floor(Date.now() / 1000);
  const open = used >= devices ? 'used up' : expires <= now ? 'expired' : 'open';
  return [state === 'open' ? open : state, timeText(expires)];
}

function codeVerb(devices: Command): void {
  const command = personOptions(
    devices.command('code').description('make a claim code with which new devices enrol themselves'),
  )
    .requiredOption('--product <name>', 'product name or class id')
    .option('--count <n>', 'for so many devices', readCount, 1)
    .option('--expires <time>', 'for so long: 30m, 12h, 7d', readSpan, 86_400);
  verb(factoryOptions(command), async (options: CodeOptions) => {
    const { session, signer } = await connectAs(options, ['operator']);
    const expires = expiryOf(options);
    const files = await factoryFiles(session, options);
    const { code, grantId, committed } = await grantCode(session, signer, {
      ...{ product: options.product, devices: options.count, expires },
    });
    note(`shown this once; for ${options.count} device${options.count === 1 ? '' : 's'}, until ${timeText(expires)}`);
    const json = { code, grantId: hex(grantId), devices: options.count, expires, entry: committed.leafIndex, ...files };
    return { json, text: code };
  });
}
