/** An MQTT broker that lies: the true one behind it, and zeros in every frame that it sends to a device. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { encodeAnswer, FRAMES, readAnswer } from '@countersign/device-sdk/format';
import type { ExecutionContext } from 'ava';
import { generate, type Packet, parser } from 'mqtt-packet';

export class JunkBroker {
  url = '';
  /** Frames that it has changed. */
  lies = 0;
  readonly #after: { lies: number; call: () => void };

  /** @param after what is to happen when it has lied so often */
  constructor(after: { lies: number; call: () => void }) {
    this.#after = after;
  }

  async listen(t: ExecutionContext, truth: string): Promise<void> {
    const port = await door(t, 0, truth, (behind, device) => {
      const read = parser({ protocolVersion: 4 });
      read.on('packet', (packet) => device.write(generate(this.#junk(packet))));
      behind.on('data', (chunk) => read.parse(chunk));
    });
    this.url = `mqtt://127.0.0.1:${port}`;
  }

  #junk(packet: Packet): Packet {
    if (packet.cmd !== 'publish' || !packet.topic.endsWith('/frm')) return packet;
    const answer = readAnswer(new Uint8Array(packet.payload as Buffer));
    if (answer.kind !== FRAMES) return packet;
    if (++this.lies === this.#after.lies) this.#after.call();
    const payload = encodeAnswer({ ...answer, frame: new Uint8Array(answer.frame.length) });
    return { ...packet, payload: Buffer.from(payload) };
  }
}

/** A port of its own in front of a server. @returns the port */
export async function door(
  t: ExecutionContext,
  port: number,
  truth: string,
  back: (behind: Socket, device: Socket) => void = (behind, device) => behind.pipe(device),
): Promise<number> {
  const { hostname, port: inner } = new URL(truth);
  const open = new Set<Socket>();
  const server = createServer((device) => {
    const behind = connect(Number(inner), hostname);
    device.pipe(behind);
    back(behind, device);
    const sockets = [device, behind];
    for (const socket of sockets) {
      open.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        open.delete(socket);
        for (const each of sockets) each.destroy();
      });
    }
  });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    server.close();
    for (const socket of open) socket.destroy();
  });
  return (server.address() as AddressInfo).port;
}
