/** Children, a gateway and a publisher in the pocket that can be taken away; and a gateway that lies. */
import { mkdtempSync, rmSync } from 'node:fs';
import { type AddressInfo, connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Link, Refusal } from '@countersign/device-sdk';
import { encodeProvision, FRAMES, readProvision, readRequest } from '@countersign/device-sdk/format';
import { encodeMessage, type Message, MessageReader, READY } from '@countersign/device-sdk/host/local/format';
import { Relay, type RelayEvent, type RelayOptions } from '@countersign/device-sdk/host/relay/relay';
import type { ExecutionContext } from 'ava';
import { Child, type ChildOptions } from './child.ts';
import { PocketServer, pocketLink, verifier } from './pocket.ts';
import { freePort } from './ports.ts';

export const OLD = new Uint8Array(9_000).map((_, i) => (i * 7) % 251);
export const NEW = OLD.map((byte, i) => (i % 500 === 0 ? byte ^ 85 : byte));

/** A server that can be taken away, and that counts what it is asked for. */
export class Upstream {
  readonly server: PocketServer;
  away = false;
  frames = new Map<string, number>();
  /** Changes what a child's way brings; null is silence. */
  lie: (bytes: Uint8Array) => Uint8Array | null = (bytes) => bytes;
  readonly #links = new Set<{ up(): void; down(): void }>();

  constructor(server: PocketServer) {
    this.server = server;
  }

  readonly link = (): Link => {
    const inner = pocketLink(this.server, { announce: true });
    const lost = () => Promise.reject(new Refusal('LINK_LOST', 'away'));
    let close = (): void => undefined;
    return {
      open: (events, login) => {
        const lying = {
          ...{ up: () => events.up(), down: () => events.down(), command: events.command },
          announcement: (bytes: Uint8Array) => pass(bytes, events.announcement),
          answer: (bytes: Uint8Array) => pass(bytes, events.answer),
        };
        const pass = (bytes: Uint8Array, tell: (bytes: Uint8Array) => void) => {
          const said = this.lie(bytes);
          if (said) tell(said);
        };
        const way = {
          up: () => inner.open(lying, login),
          down: () => {
            inner.events = undefined;
            events.down();
          },
        };
        this.#links.add(way);
        close = () => this.#links.delete(way);
        if (!this.away) way.up();
      },
      request: async (bytes) => {
        if (this.away) return lost();
        const request = readRequest(bytes);
        if (request.kind === FRAMES)
          for (let i = request.first; i < request.first + request.count; i++) {
            const name = `${Buffer.from(request.chainHead).toString('hex')} ${i}`;
            this.frames.set(name, (this.frames.get(name) ?? 0) + 1);
          }
        await inner.request(bytes);
      },
      report: (bytes) => (this.away ? lost() : inner.report(bytes)),
      close: async () => close(),
    };
  };

  go(): void {
    this.away = true;
    for (const { down } of this.#links) down();
  }

  comeBack(): void {
    this.away = false;
    for (const { up } of this.#links) up();
  }
}

export interface World {
  folder: string;
  url: string;
  record: Uint8Array;
  server: PocketServer;
  upstream: Upstream;
  relay: Relay;
  events: RelayEvent[];
  children: Child[];
  again(options?: Partial<RelayOptions>): Promise<void>;
}

export async function world(t: ExecutionContext, count: number, options: Partial<RelayOptions> = {}): Promise<World> {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-relay-'));
  const server = await PocketServer.create('M');
  server.time = Math.floor(Date.now() / 1000);
  const factory = await server.publish(OLD);
  const record = server.provision(factory, new Uint8Array(16));
  const upstream = new Upstream(server);
  const events: RelayEvent[] = [];
  // It may be started again, on the same port.
  const listen = `tcp://127.0.0.1:${await freePort()}`;
  const make = (more: Partial<RelayOptions> = {}) =>
    new Relay({
      ...{ folder, listen, verifier, link: upstream.link, on: (event) => events.push(event) },
      ...options,
      ...more,
    });
  const w: World = { folder, url: '', record, server, upstream, relay: make(), events, children: [], again };
  w.url = await w.relay.listen();
  async function again(more: Partial<RelayOptions> = {}): Promise<void> {
    await w.relay.close();
    w.relay = make({ listen: w.url, ...more });
    w.url = await w.relay.listen();
  }
  for (let number = 1; number <= count; number++) w.children.push(childOf(w, number));
  t.teardown(async () => {
    await Promise.all(w.children.map((child) => child.stop()));
    await w.relay.close();
    rmSync(folder, { recursive: true, force: true });
  });
  return w;
}

export function childOf(w: World, number: number, options: Partial<ChildOptions> = {}): Child {
  const record = encodeProvision({ ...readProvision(w.record), deviceId: new Uint8Array(16).fill(number) });
  return new Child({ url: w.url, number, image: OLD, record, ...options });
}

/** Stands between a child and an honest gateway. `alter` sees what the child is told: another text, several, or none. */
export async function liar(
  t: ExecutionContext,
  url: string,
  alter: (kind: number, content: Uint8Array) => Uint8Array[],
  invented?: Message,
): Promise<string> {
  const { hostname, port } = new URL(url);
  const server = createServer((child) => {
    const gateway = connect(Number(port), hostname);
    const reader = new MessageReader();
    gateway.on('data', (chunk) => {
      for (const { kind, content } of reader.take(chunk)) {
        for (const said of alter(kind, content)) child.write(encodeMessage(kind, said));
        if (kind === READY && invented) child.write(encodeMessage(invented.kind, invented.content));
      }
    });
    child.pipe(gateway);
    for (const [one, other] of [
      [child, gateway],
      [gateway, child],
    ] as const)
      one.on('error', () => undefined).on('close', () => other.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => server.close());
  return `tcp://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

export function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 20));
}
