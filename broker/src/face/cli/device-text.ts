/** What a device process tells, in lines for people. */
import { Refusal } from '@countersign/device-sdk';
import type { ProcessEvent } from '@countersign/device-sdk/host/device-process';

export type Say = (event: ProcessEvent) => void;

/** A link that stays as it is says so once, however often it is tried. */
export function saidOnce(say: Say): Say {
  const told = new Map<string, string>();
  return (event) => {
    if (event.kind !== 'trouble' && event.kind !== 'link') return say(event);
    if (event.kind === 'link' && event.up && event.by === 'network') told.clear();
    const about = event.kind === 'trouble' ? event.way : '';
    const text = eventText(event);
    // Down and at once up again is how a device hears that another side answers: the side alone is news.
    if (told.get(about) === text || (event.kind === 'link' && !event.up && event.by === 'bundle')) return;
    told.set(about, text);
    say(event);
  };
}

export function eventText(event: ProcessEvent): string {
  switch (event.kind) {
    case 'booted':
      return `booted slot ${event.slot}${event.trial ? ' on trial' : ''}, confirmed is ${event.version}`;
    case 'stage':
      return `${event.stage} ${event.code} ${event.version}`;
    case 'progress':
      return `fetched ${event.bytes} of ${event.of} bytes`;
    case 'refused':
      return `refused ${event.code}: ${event.text}`;
    case 'restart':
      return `restart, for ${event.version}`;
    case 'link':
      if (event.by === 'bundle') return event.up ? 'not connected; the bundle answers' : 'not connected';
      return event.up ? 'connected' : 'not connected';
    case 'damaged':
      return 'stored state was damaged, older values are used: enrol this device anew';
    case 'fault':
      return `fault ${errorText(event.error)}`;
    case 'command':
      return `command ${event.name} ${event.result.exit ?? (event.result.late ? 'too late' : 'failed')} ${event.result.words}`;
    case 'trouble':
      return `no connection by ${event.way}: ${errorText(event.error)}; it goes on trying`;
    case 'way':
      return `from ${event.from} to ${event.to}: ${event.why}`;
  }
}

export function errorText(error: unknown): string {
  return error instanceof Refusal ? `${error.code} ${error.message}` : String(error);
}
