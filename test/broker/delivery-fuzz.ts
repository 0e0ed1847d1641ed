import { announceTopic } from '@countersign/device-sdk/format';
import { Prng } from '@countersign/device-sdk/rig';
import type { ExecutionContext } from 'ava';
import { generate, type Packet } from 'mqtt-packet';
import { CLASS_ID, eventually, makeBed, RawClient } from './delivery-bed.ts';

/** Connections open at once. */
const AT_ONCE = 100;

/** Well-formed packets to start from, those a client may not send too. */
const PACKETS = (
  [
    { cmd: 'connect', protocolId: 'MQTT', protocolVersion: 4, clean: true, clientId: 'x', keepalive: 9 },
    { cmd: 'publish', topic: 'ota/v1/log/head', payload: 'hello', qos: 1, messageId: 4, dup: false, retain: false },
    { cmd: 'publish', topic: 'a/+/b', payload: '', qos: 2, messageId: 4, dup: true, retain: true },
    { cmd: 'subscribe', messageId: 3, subscriptions: ['a/#/b', '$SYS/#', ''].map((topic) => ({ topic, qos: 1 })) },
    { cmd: 'unsubscribe', messageId: 3, unsubscriptions: ['a', '__proto__', 'ota/v1/log/head'] },
    { cmd: 'suback', messageId: 3, granted: [0, 1] },
    { cmd: 'connack', returnCode: 0, sessionPresent: false },
    { cmd: 'puback', messageId: 3 },
    { cmd: 'pubrec', messageId: 3 },
    { cmd: 'pubrel', messageId: 3 },
    { cmd: 'pubcomp', messageId: 3 },
    { cmd: 'pingreq' },
    { cmd: 'disconnect' },
  ] as Packet[]
).map((packet) => generate(packet));

/**
 * Well-formed and slightly changed packets in any order, before and after a login: nothing may throw or stay open, and
 * an honest device is served afterwards.
 */
export async function fuzzBroker(t: ExecutionContext, clients: number, seed: number): Promise<void> {
  const bed = await makeBed(t);
  const random = new Prng('delivery', seed);
  const ends: Promise<void>[] = [];
  for (let i = 0; i < clients; i++) {
    const client = new RawClient(bed.delivery.port);
    if (i % 3 > 0) await client.loginAs(bed.device());
    for (let j = 0; j < 8; j++) {
      const packet = Buffer.from(PACKETS[random.below(PACKETS.length)]!);
      for (let k = random.below(4); k > 0; k--) packet[random.below(packet.length)] = random.below(256);
      client.socket.write(packet);
    }
    client.socket.end();
    ends.push(client.ended());
    if (ends.length === AT_ONCE) await Promise.all(ends.splice(0));
  }
  await Promise.all(ends);
  t.deepEqual(bed.errors, []);
  t.is(bed.delivery.metrics().denied.INTERNAL, undefined);
  const honest = new RawClient(bed.delivery.port);
  await honest.loginAs(bed.device());
  t.is(await honest.subscribe(announceTopic(CLASS_ID), 1), 1);
  await eventually(() => bed.delivery.metrics().open === 1);
}
