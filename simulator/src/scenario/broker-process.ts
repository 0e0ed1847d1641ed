/** The publisher's side as the process that anybody would start: `countersign up`. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { Refusal } from '@countersign/device-sdk';
import { end } from './rpc.ts';

export interface BrokerProcess {
  readonly pid: number;
  readonly url: string;
  readonly mqtt: string;
  /** SIGTERM, as a service manager does it. */
  stop(): Promise<void>;
  /** SIGKILL, as a power failure does it. */
  kill(): Promise<void>;
}

export interface BrokerOptions {
  data: string;
  /** Where it listens: 0 for free ports, undefined for those of the last time. */
  port?: number;
  mqttPort?: number;
  samples?: boolean;
  /** Told at once how to end it, for whoever may have to before it is ready. */
  spawned?: (stop: () => Promise<void>) => void;
}

const COMMAND = fileURLToPath(new URL('../../bin/countersign.js', import.meta.url));
/** The first start makes keys and publishes two samples, each tried on the rig. */
const READY_MS_MAX = 120_000;
const ERRORS_KEPT = 20;

/** @throws Refusal UNREACHABLE with what it said last, where it does not come up */
export async function startBroker(options: BrokerOptions): Promise<BrokerProcess> {
  const { data, port, mqttPort, samples = true } = options;
  const args = [
    COMMAND,
    ...['up', '--json', '--data', data],
    ...(port === undefined ? [] : ['--port', String(port)]),
    ...(mqttPort === undefined ? [] : ['--mqtt-port', String(mqttPort)]),
    ...(samples ? [] : ['--no-samples']),
  ];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'], env: cleanEnv() });
  options.spawned?.(() => end(child));
  const errors: string[] = [];
  createInterface(child.stderr!).on('line', (line) => {
    errors.push(line);
    if (errors.length > ERRORS_KEPT) errors.shift();
  });
  const ready = await firstLine(child, errors);
  return {
    pid: child.pid!,
    url: ready.url,
    mqtt: ready.mqtt,
    stop: () => end(child),
    async kill() {
      const gone = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGKILL');
      await gone;
    },
  };
}

/** Settings of whoever runs this are for his own servers. */
function cleanEnv(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('COUNTERSIGN_')));
}

function firstLine(child: ChildProcess, errors: string[]): Promise<{ url: string; mqtt: string }> {
  return new Promise((resolve, reject) => {
    const fail = (why: string) => {
      clearTimeout(timer);
      child.kill('SIGKILL');
      reject(new Refusal('UNREACHABLE', `\`countersign up\` ${why}\n${errors.join('\n')}`));
    };
    const timer = setTimeout(() => fail(`was not ready after ${READY_MS_MAX / 1000} s`), READY_MS_MAX);
    child.once('error', (error) => fail(`could not be started: ${error.message}`));
    child.once('exit', (code) => fail(`ended with ${code}`));
    createInterface(child.stdout!).once('line', (line) => {
      clearTimeout(timer);
      child.removeAllListeners('exit');
      const ready = JSON.parse(line);
      if (ready.ready) resolve(ready);
      else fail(`answered ${line}`);
    });
  });
}
