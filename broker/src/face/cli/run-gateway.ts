/** What `gateway` does. */
import { Refusal } from '@countersign/device-sdk';
import { nodeVerifier } from '@countersign/device-sdk/host/crypto';
import { openLink } from '@countersign/device-sdk/host/gateway';
import { readRelayProfile } from '@countersign/device-sdk/host/relay/profile';
import { Relay, type RelayEvent } from '@countersign/device-sdk/host/relay/relay';
import { alone, onStop, openBundles } from './alone.ts';
import { note } from './program.ts';

export interface GatewayOptions {
  profile: string;
  bundle?: string[];
  json?: boolean;
}

/** Ends when it is told to. */
export async function run(o: GatewayOptions): Promise<void> {
  const { folder, listen, links, limits } = readRelayProfile(o.profile);
  const verifier = nodeVerifier();
  await alone(folder, 'the gateway', async () => {
    const shelves = openBundles(o.bundle ?? [], verifier);
    const relay = new Relay({
      ...{ folder, listen, verifier, limits, shelves, on: o.json ? sayJson : sayText },
      ...(links.length > 0 && {
        link: (identity, trouble) =>
          openLink({ links }, identity, { trouble: (_way, error) => trouble(error), change: () => undefined })!,
      }),
    });
    await relay.listen();
    const ways = links.map(({ url }) => url).join(', then ') || 'nowhere: what it holds is all there is';
    note(`gateway in ${folder}, ${shelves.length} bundles, to ${ways}; Ctrl-C ends it`);
    let over = (): void => undefined;
    await new Promise<void>((resolve) => {
      over = onStop(resolve);
    });
    const { framesFetched, reportsWaiting } = relay.counts();
    await relay.close();
    over();
    note(`stopped: ${framesFetched} frames fetched, ${reportsWaiting} reports wait in ${folder}`);
  });
  process.exit(0);
}

function sayJson(event: RelayEvent): void {
  const shown = { at: new Date().toISOString(), ...event, ...('error' in event && { error: errorText(event.error) }) };
  process.stdout.write(`${JSON.stringify(shown)}\n`);
}

function sayText(event: RelayEvent): void {
  process.stdout.write(`${new Date().toISOString()}  ${eventText(event)}\n`);
}

function eventText(event: RelayEvent): string {
  switch (event.kind) {
    case 'listening':
      return `listening on ${event.address}`;
    case 'child':
      return `child ${event.deviceId} ${event.here ? 'is here' : `has gone${event.code ? `: ${event.code}` : ''}`}`;
    case 'server':
      return `no connection to the server for ${event.deviceId}: ${errorText(event.error)}`;
    case 'refused':
      return `refused ${event.deviceId}: ${event.code}: ${event.text}`;
  }
}

function errorText(error: unknown): string {
  return error instanceof Refusal ? `${error.code} ${error.message}` : String(error);
}
