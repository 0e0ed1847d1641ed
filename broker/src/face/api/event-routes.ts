import { codeOf, demand } from '@countersign/device-sdk';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { LedgerClient } from '../../ledger/client.ts';
import type { Door } from '../access/door.ts';
import type { Alarms } from '../events/alarms.ts';
import { EventStream, STREAM_LIMITS, type StreamLimits } from '../events/stream.ts';
import { operation } from './openapi/operation.ts';
import { whole } from './openapi/schema.ts';

/** Each costs a connection, two timers and a place in the ledger; people and their tools need a few. */
export const STREAMS_MAX = 32;
/** Of one token, so that nobody who may only read keeps everybody else out. The folder's own may have all of them. */
export const STREAMS_OF_ONE_MAX = 8;

const SCHEMA = operation({
  ...{ tag: 'Server', summary: 'What happens, as it happens' },
  description:
    'Server-sent events. Entries of the ledger are the events transaction, release, rollout, report and root; the id is the position, and Last-Event-ID goes on behind it. head, progress and alarm are of the moment and have no id.',
  query: { from: whole('position of the first entry; where absent, what comes from now on') },
  answer: { bytes: 'events', types: ['text/event-stream'] },
});

export interface EventRoutesOptions {
  ledger: LedgerClient;
  alarms: Alarms;
  /** Knows whose token still stands; without it there is the folder's own token alone. */
  door?: Pick<Door, 'stays' | 'onRevoked'> | undefined;
  limits?: Readonly<StreamLimits>;
}

/** `GET /events`. */
export function eventRoutes({ ledger, alarms, door, limits = STREAM_LIMITS }: EventRoutesOptions) {
  /** Each with the id of the token that it was opened with; the folder's own has none. */
  const streams = new Map<EventStream, string | undefined>();
  alarms.listen((alarm) => {
    for (const stream of streams.keys()) stream.tell('alarm', alarm);
  });
  door?.onRevoked((id) => {
    for (const [stream, of] of streams) if (of === id) stream.end();
  });
  return async (app: FastifyInstance): Promise<void> => {
    app.addHook('preClose', async () => {
      for (const stream of streams.keys()) stream.end();
    });
    app.get('/events', { schema: SCHEMA }, async (request, reply) => {
      const from = await beginning(ledger, request);
      const { guest } = request;
      const id = guest && guest.kind !== 'owner' ? guest.id : undefined;
      const stays = async () => !door || !guest || (await door.stays(guest));
      // The last thing that is waited for: from here on a revocation finds the stream.
      demand(await stays(), 'UNAUTHORIZED', 'the token was revoked');
      demand(streams.size < STREAMS_MAX, 'BUSY', `${STREAMS_MAX} streams of events are open`);
      const own = [...streams.values()].filter((other) => other === id).length;
      const few = id === undefined || own < STREAMS_OF_ONE_MAX;
      demand(few, 'BUSY', `${STREAMS_OF_ONE_MAX} streams of events are open with token ${id}`);
      const headers = { ...reply.getHeaders(), 'content-type': 'text/event-stream', 'x-accel-buffering': 'no' };
      reply.hijack();
      reply.raw.writeHead(200, headers as Record<string, string>);
      const stream = new EventStream(reply.raw, ledger, limits, stays);
      streams.set(stream, id);
      reply.raw.once('close', () => streams.delete(stream));
      stream.begin(from);
    });
  };
}

/** The header counts before the query: a browser that reconnects asks the same address. @throws Refusal BAD_REQUEST */
async function beginning(ledger: LedgerClient, { headers, query }: FastifyRequest): Promise<number> {
  const size = await sizeNow(ledger);
  const last = headers['last-event-id'];
  const { from } = query as { from?: string };
  const text = last === undefined ? (from ?? String(size)) : String(last);
  demand(/^\d{1,15}$/.test(text), 'BAD_REQUEST', 'a position is a whole number');
  const wanted = last === undefined ? Number(text) : Number(text) + 1;
  // Somebody who heard more than there is watched another ledger, or one that was since cut off.
  demand(wanted <= size, 'BAD_REQUEST', `the ledger has ${size} entries, and ${wanted} is beyond them`);
  return wanted;
}

async function sizeNow(ledger: LedgerClient): Promise<number> {
  try {
    return (await ledger.head()).head.size;
  } catch (error) {
    if (codeOf(error) === 'NO_QUORUM') return 0;
    throw error;
  }
}
