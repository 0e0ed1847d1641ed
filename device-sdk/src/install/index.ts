/** Storage of a device: the journal and the slots. For porters, tests and the command's own device. */
export { crc32 } from './crc32.ts';
export { type InPlaceOptions, type InPlaceProgress, InPlaceWriter } from './in-place.ts';
export { applyInPlace, demandStaging, type InPlaceJob } from './in-place-apply.ts';
export { Journal, type JournalEntries, type JournalOptions } from './journal.ts';
export { PageOrder } from './page-order.ts';
export * from './slots.ts';
