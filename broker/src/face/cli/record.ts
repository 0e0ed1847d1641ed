/** What the ledger says: `history`, `head`. */
import { writeFile } from 'node:fs/promises';
import { unhex } from '@countersign/device-sdk/format';
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
    program
      .command('history <key>')
      .description(
        'everything that ever changed a person, a product, PRODUCT@VERSION, or the release, device or rollout with this id',
      ),
  );
  verb(command, async (key: string, options: ServerOptions) => {
    const { api } = await connect(options);
    const items = (await api.get(`/api/v1/history/${inPath(key)}`)) as HistoryItem[];
    const rows = items.map((item) => [
      item.leafIndex,
      timeText(item.time),
      item.action,
      item.signer,
      short(item.leafHash),
    ]);
    return { json: items, text: table(['entry', 'time', 'action', 'signed by', 'leaf'], rows) };
  });
}

function headVerb(program: Command): void {
  const command = serverOptions(program.command('head').description("the ledger's newest signed head")).option(
    '--save <file>',
    'keep it: `audit --head FILE` later shows that nothing before it was rewritten',
  );
  verb(command, async (options: ServerOptions & { save?: string }) => {
    const { api } = await connect(options);
    const head = (await api.get('/api/v1/head')) as HeadView;
    if (options.save !== undefined) await writeFile(options.save, unhex(head.signed) ?? new Uint8Array());
    const text = [
      `${head.origin}: ${head.size} entries at ${timeText(head.time)}`,
      `root       ${head.root}`,
      `index root ${head.indexRoot}`,
      `trust root version ${head.rootVersion}, ${head.cosignatures} cosignatures`,
    ].join('\n');
    return { json: head, text };
  });
}
