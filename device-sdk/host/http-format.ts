/** What HTTP carries beside the messages that MQTT carries, too: sessions and mailboxes (FORMAT, HTTP). */
import { demand } from '../src/errors.ts';
import { decode, encode } from '../src/format/cbor.ts';
import { asArray, asBytes, asUint } from '../src/format/shape.ts';

export const HTTP_ROOT = '/ota/v1';
export const TOKEN_BYTES = 32;
/** Announcement and messages of one poll. */
export const MESSAGES_MAX = 9;
export const MESSAGES_BYTES_MAX = 32_768;
/** The server answers a poll after this long at the latest, empty-handed; proxies commonly wait for 60 s. */
export const POLL_SECONDS = 25;
/** Payload bytes of a full frame, beside a range of frames. */
export const FRAME_BYTES_HEADER = 'x-frame-bytes';

/** What a login is answered with. */
export interface HttpSession {
  token: Uint8Array;
  /** An unused session is forgotten after this long. */
  seconds: number;
}

export const CHANNEL_ANNOUNCE = 1;
export const CHANNEL_COMMAND = 2;

/** One message of a mailbox. Numbers rise; a poll names the last one that was heard. */
export interface HttpMessage {
  number: number;
  channel: typeof CHANNEL_ANNOUNCE | typeof CHANNEL_COMMAND;
  bytes: Uint8Array;
}

export function encodeSession({ token, seconds }: HttpSession): Uint8Array {
  return encode([token, seconds]);
}

/** @throws Refusal MALFORMED */
export function readSession(bytes: Uint8Array): HttpSession {
  const [token, seconds] = asArray(decode(bytes), 'session', 2);
  return { token: asBytes(token, 'token', TOKEN_BYTES), seconds: asUint(seconds, 'seconds', 86_400) };
}

export function encodeMessages(messages: readonly HttpMessage[]): Uint8Array {
  return encode(messages.map(({ number, channel, bytes }) => [number, channel, bytes]));
}

/** @throws Refusal MALFORMED, TOO_LARGE */
export function readMessages(bytes: Uint8Array): HttpMessage[] {
  demand(bytes.length <= MESSAGES_BYTES_MAX, 'TOO_LARGE', `${bytes.length} bytes of messages`);
  const items = asArray(decode(bytes), 'messages');
  demand(items.length <= MESSAGES_MAX, 'MALFORMED', `${items.length} messages`);
  return items.map((item) => {
    const [number, channel, content] = asArray(item, 'message', 3);
    const known = asUint(channel, 'channel', CHANNEL_COMMAND);
    demand(known !== 0, 'MALFORMED', 'a message of no channel');
    return {
      number: asUint(number, 'message number'),
      channel: known as HttpMessage['channel'],
      bytes: asBytes(content, 'message'),
    };
  });
}
