/** `countersign device run` under a supervisor that starts it again whenever it ends. */
import type { ChildProcess } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { DeviceView } from '@countersign/broker/ledger/contract/views';
import type { ProcessEvent } from '@countersign/device-sdk/host/device-process';
import { runJson, start } from './command.ts';
import { repository } from './repository.ts';

/** One line of `device run --json`; an error in it is its text. */
export type Line = ProcessEvent;

/** What `devices ID --json` says: the ledger's view, and what the server knows besides. */
export type DeviceAnswer = DeviceView & { version: string | null; name?: string };

export const PRODUCT = 'sensor-node';
/** What the product is registered with. */
export const SLOT_BYTES = 262_144;

/** An installer that takes its time: it writes the target in pieces, so that a kill may fall into the middle. */
const INSTALLER = `import fs from 'node:fs';
const [, , path, target] = process.argv;
const bytes = fs.readFileSync(path);
fs.writeFileSync(target, '');
for (let at = 0; at < bytes.length; at += 4096) {
  fs.appendFileSync(target, bytes.subarray(at, at + 4096));
  await new Promise((resolve) => setTimeout(resolve, 5));
}
`;

/** Files that a command wrote for the factory. */
export interface ForFactory {
  provision: string;
  image: string;
  components?: Record<string, string>;
}

export class Gateway {
  readonly folder: string;
  readonly profile: string;
  readonly lines: Line[] = [];
  starts = 0;
  errors = '';
  #child: ChildProcess | undefined;
  #over = false;
  /** Lines when the process that runs now was started. */
  #from = 0;
  #supervised: Promise<void> | undefined;
  readonly #waiting = new Set<() => void>();
  readonly #args: string[];
  /** Of `device run` alone. */
  readonly #runArgs: string[];

  constructor(folder: string, profile: object, args: string[] = [], runArgs: string[] = []) {
    mkdirSync(folder, { recursive: true });
    this.folder = folder;
    this.profile = join(folder, 'gateway.json');
    this.#args = args;
    this.#runArgs = runArgs;
    writeFileSync(this.profile, JSON.stringify(profile, null, 2));
  }

  /** Key, entry in the ledger, the factory's files, provisioned. @returns the device id */
  async enrol(data: string, version: string): Promise<string> {
    const own = ['--profile', this.profile, ...this.#args];
    const made = await runJson<{ publicKey: string }>('device', 'key', ...own);
    const out = join(this.folder, 'factory');
    const asked = ['--product', PRODUCT, '--key', made.json.publicKey, '--provision', version, '--out', out];
    const enrolled = await runJson<ForFactory>('devices', 'enrol', ...asked, '--data', data, '--as', 'operator');
    const further = Object.entries(enrolled.json.components ?? {});
    const components = further.flatMap(([name, file]) => ['--component', `${name}=${file}`]);
    const files = ['--record', enrolled.json.provision, '--image', enrolled.json.image, ...components];
    const done = await runJson<{ deviceId: string }>('device', 'provision', ...own, ...files);
    if (done.code !== 0) throw new Error(done.stderr);
    return done.json.deviceId;
  }

  supervise(): void {
    this.#over = false;
    this.#supervised = (async () => {
      while (!this.#over) {
        this.starts++;
        this.#from = this.lines.length;
        const { child, ended } = start([
          'device',
          'run',
          '--profile',
          this.profile,
          '--json',
          ...this.#args,
          ...this.#runArgs,
        ]);
        this.#child = child;
        let rest = '';
        child.stdout!.on('data', (text: string) => {
          const lines = (rest + text).split('\n');
          rest = lines.pop()!;
          for (const line of lines) this.#hear(JSON.parse(line));
        });
        const { stderr } = await ended;
        this.errors += stderr;
        this.#wake();
        // As a service manager does it, so that a device that cannot start does not take the machine.
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    })();
  }

  /** The slot that is good by the boot record: 0 from the factory, another one when a trial was confirmed. */
  get goodSlot(): number {
    const path = join(this.folder, 'state/boot.json');
    return existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')).good : 0;
  }

  kill(signal: NodeJS.Signals): void {
    this.#child?.kill(signal);
  }

  async end(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    this.#over = true;
    this.kill(signal);
    await this.#supervised;
  }

  /** Resolves when the lines say so; they are looked at after each new one. */
  async until(holds: () => boolean): Promise<void> {
    while (!holds()) {
      await new Promise<void>((resolve) => this.#waiting.add(resolve));
    }
  }

  /**
   * Resolves when the process has said something since it was started, and then nothing for this long: an installer is at
   * work, or it waits. However slow the machine is, a process that has not begun to speak is not silent.
   */
  async silent(ms: number): Promise<void> {
    for (;;) {
      const { length } = this.lines;
      await new Promise((resolve) => setTimeout(resolve, ms));
      if (this.lines.length === length && length > this.#from) return;
    }
  }

  #hear(line: Line): void {
    this.lines.push(line);
    this.#wake();
  }

  #wake(): void {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const resolve of waiting) resolve();
  }
}

/** A profile whose target is a file that an external installer writes. */
export function commandProfile(folder: string, links: object[], more: object = {}): object {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'install.mjs'), INSTALLER);
  const install = [process.execPath, join(folder, 'install.mjs'), '{path}', join(folder, 'target.bin')];
  return { ...base(links), boot: { kind: 'command', install, readBack: 'target.bin' }, ...more };
}

export function base(links: object[]): object {
  return {
    ...{ folder: 'state', key: 'state/device.key', memoryClass: 'L', links, askSeconds: 5 },
    slots: { kind: 'file', bytes: SLOT_BYTES },
    health: { command: ['true'], seconds: 60 },
  };
}

/** Publishes, approves and opens a rollout to everyone. */
export async function release(data: string, image: string, version: string, more: string[] = []): Promise<void> {
  const steps: string[][] = [
    ['publish', image, '--product', PRODUCT, '--version', version, '--as', 'engineer', ...more],
    ['approve', `${PRODUCT}@${version}`, '--as', 'approver', '--wait'],
    ['rollout', 'open', `${PRODUCT}@${version}`, '--jitter', '0', '--as', 'operator'],
  ];
  for (const step of steps) {
    const { code, stderr } = await runJson(...step, '--data', data);
    if (code !== 0) throw new Error(`${step[0]}: ${stderr}`);
  }
}

/** Registers the product with its first release: over TLS a server publishes no samples itself. */
export async function firstRelease(data: string): Promise<void> {
  const image = join(repository, `firmware-samples/images/${PRODUCT}-1.0.0.bin`);
  const shape = ['--vendor', 'example.com', '--memory-class', 'L', '--slot-bytes', String(SLOT_BYTES)];
  const steps = [
    ['publish', image, '--product', PRODUCT, '--version', '1.0.0', '--new-product', ...shape, '--as', 'engineer'],
    ['approve', `${PRODUCT}@1.0.0`, '--as', 'approver', '--wait'],
  ];
  for (const step of steps) {
    const { code, stderr } = await runJson(...step, '--data', data);
    if (code !== 0) throw new Error(stderr);
  }
}

/** What the ledger says about a device. */
export async function deviceOf(data: string, id: string): Promise<DeviceAnswer> {
  return (await runJson<DeviceAnswer>('devices', id, '--data', data)).json;
}

export async function untilDevice(
  data: string,
  id: string,
  holds: (device: DeviceAnswer) => boolean,
): Promise<DeviceAnswer> {
  for (;;) {
    const device = await deviceOf(data, id);
    if (holds(device)) return device;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}
