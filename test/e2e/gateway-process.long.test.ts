/** `countersign gateway` as a process between many children and a true server: killed in the middle, and crowded. */
import type { ChildProcess } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readSample } from '@countersign/firmware-samples';
import test, { type ExecutionContext } from 'ava';
import { start } from '../support/command.ts';
import { effort } from '../support/effort.ts';
import { pause } from '../support/relay-world.ts';
import { PRODUCT, type Site, site } from '../support/site.ts';

const CROWD = effort(50, 200);

/** The site's children behind a process instead of the relay in this one, on the same address. */
class GatewayProcess {
  readonly #profile: string;
  #child: ChildProcess | undefined;
  #ended: Promise<unknown> = Promise.resolve();
  starts = 0;

  constructor(s: Site, children: number) {
    this.#profile = join(s.folder, 'gateway.json');
    const links = [{ url: s.session.endpoints.mqtt! }, { url: s.session.endpoints.devices! }];
    // A child that restarts may be there again before its old connection has been missed.
    const limits = { children: 2 * children, perAddress: 2 * children, cacheMegabytes: 16 };
    const profile = { folder: join(s.folder, 'process'), listen: s.children[0]!.url, links, ...limits };
    writeFileSync(this.#profile, JSON.stringify(profile));
  }

  /** Resolves when it listens. */
  async start(): Promise<void> {
    this.starts++;
    const { child, ended } = start(['gateway', '--profile', this.#profile, '--json']);
    this.#child = child;
    this.#ended = ended;
    await new Promise<void>((resolve, reject) => {
      child.stdout!.on('data', (text: string) => text.includes('"listening"') && resolve());
      void ended.then(({ code, stderr }) => reject(new Error(`the gateway ended with ${code}: ${stderr}`)));
    });
  }

  async kill(): Promise<void> {
    this.#child?.kill('SIGKILL');
    await this.#ended;
  }

  /** What the system has of it in RAM, in MB: now, and at most so far. Undefined where /proc does not say. */
  memory(): { now: number; most: number } | undefined {
    const path = `/proc/${this.#child!.pid}/status`;
    if (!existsSync(path)) return undefined;
    const text = readFileSync(path, 'utf8');
    const of = (name: string) => Math.round(Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text)![1]) / 1024);
    return { now: of('VmRSS'), most: of('VmHWM') };
  }
}

async function behindProcess(t: ExecutionContext, count: number): Promise<[Site, GatewayProcess]> {
  const s = await site(t, count);
  const gateway = new GatewayProcess(s, count);
  await s.relay.close();
  t.teardown(() => gateway.kill());
  return [s, gateway];
}

test.serial(
  'a gateway that is killed while it serves loses nothing: its children finish through the next one',
  async (t) => {
    t.timeout(600_000);
    const [s, gateway] = await behindProcess(t, 12);
    const rollout = await s.roll('1.1.0');
    await gateway.start();
    const image = new Uint8Array(readSample(PRODUCT, '1.1.0'));
    const some = (kind: string, stage?: string) =>
      s.children.some(({ events }) =>
        events.some((e) => e.kind === kind && (!stage || ('stage' in e && e.stage === stage))),
      );
    const arrived = () => s.children.filter((child) => child.device && child.version === '1.1.0').length;
    // With the first frame, with the first trial, and when somebody has arrived and reports it.
    const moments = [() => some('progress'), () => some('stage', 'trial'), () => arrived() > 0];
    const counts: number[] = [];
    for (const child of s.children) child.start();
    for (const come of moments) {
      while (!come()) await pause();
      counts.push(arrived());
      await gateway.kill();
      await gateway.start();
    }
    t.log(`killed when ${counts.join(', ')} of ${s.children.length} had arrived`);
    t.true(counts[0]! < s.children.length, 'the first kill falls into the fetching');
    await Promise.all(s.children.map((child) => child.until((own) => own.version === '1.1.0')));
    for (const child of s.children) t.deepEqual(child.image(image.length), image);
    while ((await s.updated(rollout)) < s.children.length) await pause();
    t.is(gateway.starts, 4);
  },
);

test.serial(`${CROWD} children at once, and what a gateway needs for them`, async (t) => {
  t.timeout(600_000);
  const [s, gateway] = await behindProcess(t, CROWD);
  const rollout = await s.roll('1.0.1');
  await gateway.start();
  const idle = gateway.memory();
  const begun = performance.now();
  for (const child of s.children) child.start();
  await Promise.all(s.children.map((child) => child.until((own) => own.version === '1.0.1')));
  while ((await s.updated(rollout)) < s.children.length) await pause();
  const seconds = ((performance.now() - begun) / 1000).toFixed(1);
  const busy = gateway.memory();
  t.log(`${CROWD} children in ${seconds} s; the gateway's RAM ${idle?.now} MB idle, ${busy?.most} MB at most`);
  // A runaway queue is what this would see; the figure itself stands in docs/BENCHMARKS.md.
  if (busy) t.true(busy.most < 512, `${busy.most} MB`);
  t.is(gateway.starts, 1);
});
