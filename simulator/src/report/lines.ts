/** One line per change of state, aligned, with a column for the device. */
import type { Change, VirtualDevice } from '../fleet/virtual-device.ts';

/** @returns undefined for what would only fill the screen */
export function changeLine(stamp: string, device: VirtualDevice, change: Change): string | undefined {
  const text = changeText(device, change);
  return text === undefined ? undefined : `${stamp}  ${deviceName(device)}  ${text}`;
}

export function deviceName({ profile }: VirtualDevice): string {
  return `dev ${String(profile.number).padStart(4, '0')} ${profile.revision}`;
}

/** Everything that is known of a device that has not arrived. */
export function whereabouts(device: VirtualDevice): string {
  const { state, refusal, profile, connected, stuck, attempt } = device;
  const at = state ? `runs ${state.running.version}, ${state.pending?.phase ?? 'nothing pending'}` : 'never booted';
  const last = attempt ? `, last ${attempt.outcome} ${attempt.sequence}` : '';
  const waiting = state?.outbox.length ? `, ${state.outbox.length} reports unacknowledged` : '';
  const said = refusal ? `, refused ${refusal.code}: ${refusal.text}` : '';
  const where = stuck ?? `${at}${last}, ${connected ? 'connected' : 'not connected'}${waiting}${said}`;
  return `device ${profile.number} (${profile.revision}): ${where}`;
}

function changeText(device: VirtualDevice, change: Change): string | undefined {
  switch (change.kind) {
    case 'on':
    case 'off':
    case 'up':
      return undefined;
    case 'down':
      return device.state?.pending ? columns('link lost', '', 'it will go on where it was') : undefined;
    case 'cut':
      return columns('power cut', '', `at flash operation ${change.operation}`);
    case 'stage':
      return columns(change.stage, change.code, change.version);
    case 'updated':
      return columns('trial → confirm', 'OK', `${change.from} → ${change.to}`);
    case 'reverted':
      return columns('trial → revert', change.code, `${change.version} → ${change.kept}`);
    case 'refused':
      return columns('refused', change.code, change.text);
    case 'stuck':
      return columns('STUCK', '', change.text);
  }
}

function columns(what: string, code: string, text: string): string {
  return `${what.padEnd(16)} ${code.padEnd(18)} ${text}`.trimEnd();
}
