/** What the ledger says: `history`, `head`. */
import type { Command } from 'commander';
import type { HistoryItem } from '../../ledger/contract/views.ts';
import type { HeadView } from '../api/views.ts';
import { inPath } from '../client/session.ts';
import { connect, type ServerOptions, serverOptions } from './connect.ts';
import { verb } from './program.ts';
import { short, table, timeText } from './table.ts';

export function recordVerbs(program: Command): void {
  historyVerb(program);
  headVerb(program);
}

function historyVerb(program: Command): void {
  const command = serverOptions(
    program.command('history <key>').description('everything that ever changed a release, product, device, rollout or person'),
  );
  verb(command, async (key: string, options: ServerOptions) => {
    const { api } = await connect(options);
    const items = (await api.get(`/api/v1/history/${inPath(key)}`)) as HistoryItem[];
    const rows = items.map((item) => [item.leafIndex, timeText(item.time), item.action, item.signer, short(item.leafHash)]);
    return { json: items, text: table(['entry', 'time', 'action', 'signed by', 'leaf'], rows) };
  });
}

function headVerb(program: Command): void {
  const command = serverOptions(program.command('head').description("the ledger's newest signed head"));
  verb(command, async (options: ServerOptions) => {
    const { api } = await connect(options);
    const head = (await api.get('/api/v1/head')) as HeadView;
    const text = [
      `${head.origin}: ${head.size} entries at ${timeText(head.time)}`,
      `root       ${head.root}`,
      `index root ${head.indexRoot}`,
      `trust root version ${head.rootVersion}, ${head.cosignatures} cosignatures`,
    ].join('\n');
    return { json: head, text };
  });
}
