import type { FleetApplies } from '../../passport/fleet.ts';
import { printable, table } from './table.ts';

/** One line, and a row for each reason why it does not apply. */
export function fleetAppliesText({ devices, applies, refused, withoutPassport, unread }: FleetApplies): string {
  const not = refused.reduce((all, row) => all + row.devices, 0);
  const rest = [
    ...(not > 0 ? [`not to ${not}`] : []),
    ...(unread > 0 ? [`${unread} have a passport that could not be read`] : []),
    ...(withoutPassport > 0 ? [`${withoutPassport} have no passport`] : []),
  ];
  const rows = refused.map((row) => [row.code, row.devices, printable(row.reason)]);
  return [
    [`by their passports it applies to ${applies} of ${devices} devices`, ...rest].join(', '),
    ...(rows.length > 0 ? [table(['code', 'devices', 'for instance'], rows)] : []),
  ].join('\n');
}
