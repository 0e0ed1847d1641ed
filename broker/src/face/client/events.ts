/** A server's events from outside: read as they come, asked for again where a connection ends. */
import { setTimeout as pause } from 'node:timers/promises';
import { demand, Refusal } from '@countersign/device-sdk';
import { refusalOf } from '../api/refusals.ts';

export interface ServerEvent {
  event: string;
  /** Position in the ledger; absent for what is of the moment. */
  id?: number;
  data: Record<string, unknown>;
}

/** The largest event is a transaction of some 500 bytes. */
const EVENT_CHARS_MAX = 65_536;
/** Between two tries: at once would be a storm on a server that restarts. */
const RETRY_MS = 1_000;

export interface FollowOptions {
  url: string;
  token: string | undefined;
  /** Position of the first entry; without it, what comes from now on. */
  from?: number | undefined;
  signal: AbortSignal;
  /** Told when a connection has ended and another is tried. */
  lost?: (why: string) => void;
}

/**
 * Every entry once and in order, over any number of connections; ends when the signal does.
 * @throws Refusal what the server refuses for good (UNAUTHORIZED, BAD_REQUEST); CONFLICT where it leaves a position out
 */
export async function* followEvents(o: FollowOptions): AsyncGenerator<ServerEvent> {
  let next = o.from;
  while (!o.signal.aborted) {
    try {
      for await (const event of oneConnection(o, next)) {
        if (event.event === 'begin') next ??= positionIn(event);
        else if (event.id !== undefined) {
          demand(next === undefined || event.id === next, 'CONFLICT', `the server sent ${event.id}, expected ${next}`);
          next = event.id + 1;
        }
        yield event;
      }
      o.lost?.('the server ended the connection');
    } catch (error) {
      if (o.signal.aborted) return;
      if (error instanceof Refusal && !PASSING.has(error.code)) throw error;
      o.lost?.(error instanceof Error ? error.message : String(error));
    }
    await pause(RETRY_MS, undefined, { signal: o.signal }).catch(() => undefined);
  }
}

function positionIn({ data }: ServerEvent): number {
  demand(Number.isSafeInteger(data.from), 'MALFORMED', 'the server does not say where it begins');
  return data.from as number;
}

const PASSING: ReadonlySet<string> = new Set(['UNREACHABLE', 'BUSY', 'NO_QUORUM']);

async function* oneConnection(
  { url, token, signal }: FollowOptions,
  next: number | undefined,
): AsyncGenerator<ServerEvent> {
  const address = new URL('/events', url);
  if (next !== undefined) address.searchParams.set('from', String(next));
  const headers = { accept: 'text/event-stream', ...(token !== undefined && { authorization: `Bearer ${token}` }) };
  const response = await fetch(address, { headers, signal, redirect: 'error' });
  if (!response.ok) throw refusalOf(response.status, await response.json().catch(() => undefined));
  let rest = '';
  const decoder = new TextDecoder();
  for await (const part of response.body ?? []) {
    rest += decoder.decode(part, { stream: true });
    const texts = rest.split('\n\n');
    rest = texts.pop()!;
    demand(rest.length <= EVENT_CHARS_MAX, 'TOO_LARGE', 'an event without end');
    for (const text of texts) {
      const event = readEvent(text);
      if (event) yield event;
    }
  }
}

/** Lines of one event as our servers write them; comments and `retry` are none. @throws Refusal MALFORMED */
export function readEvent(text: string): ServerEvent | undefined {
  const fields = new Map<string, string>();
  for (const line of text.split('\n')) {
    const [, name, value] = /^(\w+): ?(.*)$/.exec(line) ?? [];
    if (name !== undefined) fields.set(name, value!);
  }
  const [event, data, id] = [fields.get('event'), fields.get('data'), fields.get('id')];
  if (event === undefined || data === undefined) return undefined;
  try {
    return { event, ...(id !== undefined && { id: Number(id) }), data: JSON.parse(data) as ServerEvent['data'] };
  } catch (cause) {
    throw new Refusal('MALFORMED', 'an event without JSON', { cause });
  }
}
