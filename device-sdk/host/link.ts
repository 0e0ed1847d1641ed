import { demand } from '../src/errors.ts';
import { announceTopic, deviceTopic, hex, REPORT_BYTES_MAX, REQUEST_BYTES_MAX } from '../src/format/index.ts';
import type { Entropy, Link, Timer } from '../src/ports.ts';
import { systemEntropy, systemTimer } from './system.ts';
import { type Backoff, lost, Reconnecting, type Wire, type WireEvents } from './wire.ts';

export interface LinkOptions {
  /** 16 bytes. */
  deviceId: Uint8Array;
  /** 16 bytes: whose announcement to hear. */
  classId: Uint8Array;
  backoff?: Partial<Backoff>;
  timer?: Timer;
  entropy?: Entropy;
  /** Told why a connection could not be made, for a log. */
  trouble?: (error: unknown) => void;
}

/** What a dialler needs beside its own options: who logs in, and what is subscribed before the link is up. */
export interface DeviceDial {
  clientId: string;
  password: Uint8Array;
  filters: ReadonlyMap<string, 0 | 1>;
}

/** An answer has at most 24 KB, an announcement 11 KB; the rest is the topic. A larger packet ends the connection. */
export const INBOUND_BYTES_MAX = 32_768;
/** Messages that may come between the subscription and `up`: the retained announcement, and a command. */
export const HELD_MAX = 8;
/** Around the payload of a report: COSE_Sign1 with its headers, and the signature. */
const STATEMENT_BYTES_MAX = REPORT_BYTES_MAX + 512;

/**
 * A {@link Link} over any way to make an MQTT connection: the production one (host/mqtt) and the simulator's behave the
 * same because this is the same code.
 */
export function linkOver(options: LinkOptions, dial: (d: DeviceDial, events: WireEvents) => Promise<Wire>): Link {
  const { deviceId, classId } = options;
  const topics = {
    request: deviceTopic(deviceId, 'req'),
    report: deviceTopic(deviceId, 'status'),
    answer: deviceTopic(deviceId, 'frm'),
    command: deviceTopic(deviceId, 'cmd'),
    announcement: announceTopic(classId),
  };
  const filters = new Map<string, 0 | 1>([
    [topics.answer, 0],
    [topics.command, 1],
    [topics.announcement, 1],
  ]);
  const clientId = hex(deviceId);
  let connection: Reconnecting | undefined;

  const publish = async (topic: string, bytes: Uint8Array, qos: 0 | 1, most: number) => {
    demand(bytes.length <= most, 'TOO_LARGE', `${bytes.length} bytes for ${topic}, at most ${most}`);
    const wire = connection?.wire;
    if (wire === undefined) throw lost();
    await wire.publish(topic, bytes, { qos });
  };

  return {
    open(events, login) {
      const held: [string, Uint8Array][] = [];
      const hear = (topic: string, bytes: Uint8Array) => {
        if (topic === topics.answer) events.answer(bytes);
        else if (topic === topics.command) events.command(bytes);
        else if (topic === topics.announcement) events.announcement(bytes);
      };
      connection = new Reconnecting({
        dial: async (wireEvents) => dial({ clientId, password: await login(), filters }, wireEvents),
        timer: options.timer ?? systemTimer(),
        entropy: options.entropy ?? systemEntropy(),
        ...(options.backoff && { backoff: options.backoff }),
        ...(options.trouble && { trouble: options.trouble }),
        up() {
          events.up();
          for (const [topic, bytes] of held.splice(0)) hear(topic, bytes);
        },
        down() {
          held.length = 0;
          events.down();
        },
        message(topic, bytes) {
          // A broker may send what it retained before it acknowledges the subscription.
          if (connection?.wire !== undefined) hear(topic, bytes);
          else if (held.length < HELD_MAX) held.push([topic, bytes]);
        },
      });
      connection.open();
    },
    // QoS 0: an answer that does not come is asked for again anyway.
    request: (bytes) => publish(topics.request, bytes, 0, REQUEST_BYTES_MAX),
    report: (bytes) => publish(topics.report, bytes, 1, STATEMENT_BYTES_MAX),
    async close() {
      connection?.close();
    },
  };
}
