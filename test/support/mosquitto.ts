/** Mosquitto and its certificates, by the code blocks of docs/OPERATIONS.md. */
import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { connect as connectTls, TLSSocket } from 'node:tls';
import { freePort } from './ports.ts';
import { repository } from './repository.ts';

/** A named code block of the page. */
export function block(name: string): string {
  const page = readFileSync(join(repository, 'docs/OPERATIONS.md'), 'utf8');
  const found = new RegExp(`^\`\`\`\\w+ ${name.replace('.', '\\.')}\\n([\\s\\S]*?)^\`\`\`$`, 'm').exec(page)?.[1];
  if (found === undefined) throw new Error(`docs/OPERATIONS.md has no block ${name}`);
  return found;
}

export function isInstalled(...programs: string[]): boolean {
  return programs.every((program) => {
    try {
      execFileSync(program, ['-h'], { stdio: 'ignore' });
      return true;
    } catch (error) {
      return (error as NodeJS.ErrnoException).code !== 'ENOENT';
    }
  });
}

/** Authority, broker, distribution server, and one device, as files in the folder. */
export function certificates(folder: string, deviceId: string): void {
  mkdirSync(folder, { recursive: true });
  const script = block('certificates').replaceAll('DNS:broker.example.com', 'IP:127.0.0.1,DNS:localhost');
  execFileSync('bash', ['-ec', script], { cwd: folder, env: { ...process.env, DEVICE_ID: deviceId }, stdio: 'pipe' });
}

/** Another device's certificate, by the same authority, in `folder/own`. */
export function issueDevice(folder: string, deviceId: string): void {
  const [functions] = block('certificates').split('\nopenssl req -x509');
  const own = `${functions}\nmkdir -p own\nissue own/device "$DEVICE_ID" extendedKeyUsage=clientAuth`;
  execFileSync('bash', ['-ec', own], { cwd: folder, env: { ...process.env, DEVICE_ID: deviceId }, stdio: 'pipe' });
}

export interface RunningMosquitto {
  port: number;
  /** Has it read its files again. */
  reload(): void;
  /** Resolves when it has ended. */
  stop(): Promise<void>;
}

/** With client certificates and our rights, as the page has it. */
export function startMosquitto(folder: string): Promise<RunningMosquitto> {
  writeFileSync(join(folder, 'countersign.acl'), block('countersign.acl'), { mode: 0o600 });
  const conf = block('mosquitto.conf').replaceAll('/etc/mosquitto/', `${folder}/`);
  const [ca, cert, key] = ['ca.pem', 'distribution.pem', 'distribution.key'].map((n) => readFileSync(join(folder, n)));
  const dial = (port: number) => connectTls({ host: '127.0.0.1', port, ca: ca!, cert: cert!, key: key! });
  return runMosquitto(folder, (port) => conf.replace('listener 8883', `listener ${port} 127.0.0.1`), dial);
}

/** @param dial makes a connection, by which is seen that it answers */
export async function runMosquitto(
  folder: string,
  conf: (port: number) => string,
  dial = (port: number): Socket => connect(port, '127.0.0.1'),
): Promise<RunningMosquitto> {
  const port = await freePort();
  const user = process.getuid?.() === 0 ? 'user root\n' : '';
  writeFileSync(join(folder, 'mosquitto.conf'), user + conf(port));
  const child = spawn('mosquitto', ['-c', join(folder, 'mosquitto.conf')], { stdio: ['ignore', 'ignore', 'pipe'] });
  let errors = '';
  child.stderr.setEncoding('utf8').on('data', (text) => (errors += text));
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  while (!(await answers(dial(port)))) {
    if (child.exitCode !== null) throw new Error(`mosquitto ended with ${child.exitCode}: ${errors}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return {
    port,
    reload: () => void child.kill('SIGHUP'),
    stop() {
      child.kill();
      return ended;
    },
  };
}

function answers(socket: Socket): Promise<boolean> {
  return new Promise((resolve) => {
    socket.once(socket instanceof TLSSocket ? 'secureConnect' : 'connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
