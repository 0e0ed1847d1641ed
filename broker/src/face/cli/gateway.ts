import type { Command } from 'commander';
import { verb } from './program.ts';
import type { GatewayOptions } from './run-gateway.ts';

/** `gateway`: stands between devices near by and the server. */
export function gatewayVerb(program: Command): void {
  const command = program
    .command('gateway')
    .description('serve devices near by: what one has fetched serves all, and reports wait for the server')
    .requiredOption('--profile <file>', 'folder, address and links of this gateway (docs/OPERATIONS.md)')
    .option('--bundle <file...>', 'what `countersign bundle` wrote: used where the server does not answer');
  verb(command, async (o) => {
    await (await import('./run-gateway.ts')).run(o as GatewayOptions);
    return undefined;
  });
}
