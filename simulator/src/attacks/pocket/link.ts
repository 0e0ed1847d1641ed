import type { Link, LinkEvents } from '@countersign/device-sdk';
import { encodeAnswer } from '@countersign/device-sdk/format';
import type { PocketServer } from './publisher.ts';

/** A link straight into the pocket; everything arrives in a later microtask, as from a network. */
export function pocketLink(
  server: PocketServer,
  options: { announce?: boolean } = {},
): Link & { events: LinkEvents | undefined; distrusted: number } {
  const link = {
    events: undefined as LinkEvents | undefined,
    distrusted: 0,
    distrust(): void {
      link.distrusted++;
    },
    open(events: LinkEvents, login: () => Promise<Uint8Array>): void {
      if (server.gone) return;
      link.events = events;
      void login().then(
        async () => {
          link.events?.up();
          if (options.announce) link.events?.announcement(await server.announcement());
        },
        () => {},
      );
    },
    async request(bytes: Uint8Array): Promise<void> {
      for (const answer of await server.answers(bytes)) {
        await null;
        link.events?.answer(encodeAnswer(answer));
      }
    },
    async report(bytes: Uint8Array): Promise<void> {
      const ack = await server.report(bytes);
      if (ack) link.events?.command(ack);
    },
    async close(): Promise<void> {
      link.events = undefined;
    },
  };
  return link;
}
