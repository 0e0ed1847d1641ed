/** The distribution server, a real broker and devices' links on real sockets. */
import { createDelivery, type Delivery } from '@countersign/broker/distribution/delivery/broker';
import { connectDelivery } from '@countersign/broker/distribution/delivery/client';
import { memoryLoginCounters } from '@countersign/broker/distribution/delivery/counters';
import { loginGate } from '@countersign/broker/distribution/delivery/login';
import type { Link } from '@countersign/device-sdk';
import {
  type Answer,
  encodeRequest,
  loginValue,
  openFrame,
  PAUSED,
  type Request,
  readAck,
  readAnnouncement,
  readAnswer,
  readRollout,
  readStatement,
  signStatement,
  unhex,
} from '@countersign/device-sdk/format';
import { mqttLink } from '@countersign/device-sdk/host/mqtt';
import { openRoot, proveRelease, shapeAnnouncement } from '@countersign/device-sdk/verify';
import test, { type ExecutionContext } from 'ava';
import { freePort } from '../support/ports.ts';
import { classId, nextReport, type TestDevice } from '../support/publisher.ts';
import { BROKER, sha256, verifier } from '../support/world.ts';
import { type Bed, makeBed } from './distribution-bed.ts';

const SECRET = 'a secret of more than sixteen characters';

/** A device's end of the line: it keeps what it hears, and tests wait for what they expect. */
class Listener {
  readonly announcements: Uint8Array[] = [];
  readonly answers: Answer[] = [];
  readonly commands: Uint8Array[] = [];
  readonly #waiting = new Set<() => void>();
  readonly link: Link;
  #counter = Date.now();

  constructor(url: string, device: TestDevice) {
    this.link = mqttLink({ url, deviceId: device.id, classId, backoff: { firstMs: 50, longestMs: 200 } });
    const heard = <T>(list: T[], item: T) => {
      list.push(item);
      for (const look of [...this.#waiting]) look();
    };
    this.link.open(
      {
        up: () => heard([] as string[], 'up'),
        down: () => undefined,
        announcement: (bytes) => heard(this.announcements, bytes),
        answer: (bytes) => heard(this.answers, readAnswer(bytes)),
        command: (bytes) => heard(this.commands, bytes),
      },
      () => {
        const value = loginValue({ deviceId: device.id, brokerId: BROKER, counter: ++this.#counter });
        return signStatement(sha256, 'login', value, device.signer);
      },
    );
  }

  until(holds: () => boolean): Promise<void> {
    if (holds()) return Promise.resolve();
    return new Promise((resolve) => {
      const look = () => {
        if (!holds()) return;
        this.#waiting.delete(look);
        resolve();
      };
      this.#waiting.add(look);
    });
  }

  async ask(request: Request, count = 1): Promise<Answer[]> {
    const own = () => this.answers.filter(({ id }) => id === request.id);
    await this.link.request(encodeRequest(request));
    await this.until(() => own().length >= count);
    return own();
  }

  states(): number[] {
    return this.announcements.map((bytes) => {
      const { payload } = readStatement(readAnnouncement(bytes).rollout, 'rollout');
      return readRollout(payload).state;
    });
  }
}

async function brokerFor(bed: Bed, port: number): Promise<Delivery> {
  const device = async (id: Uint8Array) => {
    const view = await bed.publisher.device(id).catch(() => undefined);
    if (!view) return undefined;
    const key = { alg: view.alg, bytes: unhex(view.publicKey)! };
    return { key, classId: unhex(view.classId)!, revoked: view.state === 'revoked' };
  };
  const counters = memoryLoginCounters();
  const authenticate = loginGate({ brokerId: BROKER, secret: SECRET, device, counters, verifier });
  return createDelivery({ brokerId: BROKER, authenticate, port });
}

async function networked(t: ExecutionContext) {
  const bed = await makeBed(t);
  await bed.server.close();
  const broker = await brokerFor(bed, await freePort());
  const delivery = await connectDelivery(
    broker.url,
    { password: SECRET },
    { backoff: { firstMs: 50, longestMs: 200 } },
  );
  await bed.start({ delivery });
  const parts = { bed, broker, delivery };
  t.teardown(async () => {
    await delivery.close();
    await parts.broker.close();
  });
  return parts;
}

test('a device hears the release, fetches every frame, reports, is acknowledged, and hears of the pause', async (t) => {
  const { bed, broker } = await networked(t);
  const [device] = await bed.publisher.enrol(['real']);
  const listener = new Listener(broker.url, device!);
  t.teardown(() => listener.link.close());
  const leaf = await bed.publisher.release('1.0.0');
  const waves = [{ percent: 100, reportedPercentMin: 100 }];
  const plan = await bed.server.planWaves({ releaseLeaf: leaf, waves });
  await bed.publisher.open(plan);

  await listener.until(() => listener.announcements.length === 1);
  const { root } = openRoot(verifier, bed.trustRoot);
  const proven = proveRelease(verifier, shapeAnnouncement(verifier, listener.announcements[0]!), { root });
  t.is(proven.manifest.version, '1.0.0');

  const { payload } = proven.manifest.branches[0]!;
  const request = { id: 5, kind: 1, chainHead: payload.chainHead, first: 0, count: payload.frameCount } as const;
  let expected: Uint8Array | undefined = payload.chainHead;
  for (const [i, answer] of (await listener.ask(request, payload.frameCount)).entries()) {
    if (answer.kind !== 1 || !expected) return t.fail('not a frame');
    expected = openFrame(sha256, payload, i, expected, answer.frame).next;
  }
  t.is(expected, undefined);

  const report = await nextReport(device!, plan.rolloutId, 'reverted');
  await listener.link.report(report);
  await listener.until(() => listener.commands.length === 1);
  t.is(readAck(readStatement(listener.commands[0]!, 'ack').payload).counter, 1);
  await listener.until(() => listener.states().includes(PAUSED));
  const { pause } = await bed.server.progress(plan.rolloutId);
  t.regex(pause!.reason, /1 of 1 devices failed/);
});

test('a broker that comes back empty is told everything again', async (t) => {
  const parts = await networked(t);
  const { bed } = parts;
  const [device] = await bed.publisher.enrol(['real']);
  const leaf = await bed.publisher.release('1.0.0');
  const plan = await bed.server.planWaves({ releaseLeaf: leaf, waves: [{ percent: 100 }] });
  await bed.publisher.open(plan);
  await bed.spoke('announced');
  const { port } = parts.broker;
  await parts.broker.close();
  parts.broker = await brokerFor(bed, port);
  const listener = new Listener(parts.broker.url, device!);
  t.teardown(() => listener.link.close());
  await listener.until(() => listener.announcements.length > 0);
  t.deepEqual(listener.announcements[0], bed.server.announcement(classId)?.bytes);
  const [answer] = await listener.ask({ id: 1, kind: 6 });
  t.is(answer?.kind, 6);
});
