/** The log of a virtual world: every line carries the virtual time, and nothing of this machine. */
import type { Log } from '@countersign/broker/distribution/ports';
import type { Change, VirtualDevice } from '../fleet/virtual-device.ts';
import { changeLine } from '../report/lines.ts';
import type { VirtualTime } from './time.ts';

export interface VirtualLog {
  world(text: string): void;
  device(device: VirtualDevice, change: Change): void;
  readonly server: Log;
}

export function virtualLog(time: VirtualTime, line: (text: string) => void): VirtualLog {
  const say = (who: string, text: string) => line(`${stampOf(time.elapsedMs())}  ${who.padEnd(10)}  ${text}`);
  const server = (level: string) => (fields: object, text: string) => {
    say(level === 'info' ? 'server' : `server ${level}`, `${text} ${JSON.stringify(fields)}`);
  };
  return {
    world: (text) => say('world', text),
    device(device, change) {
      const text = changeLine(stampOf(time.elapsedMs()), device, change);
      if (text !== undefined) line(text);
    },
    server: { info: server('info'), warn: server('warn'), error: server('error') },
  };
}

/** Hours, minutes, seconds and milliseconds since the beginning. */
export function stampOf(ms: number): string {
  const part = (value: number, width = 2) => String(Math.floor(value)).padStart(width, '0');
  return `t=${part(ms / 3_600_000)}:${part((ms / 60_000) % 60)}:${part((ms / 1000) % 60)}.${part(ms % 1000, 3)}`;
}
