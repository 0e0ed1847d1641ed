/** Storage of a device: the journal and the slots. For porters, tests and the command's own device. */
export { crc32 } from '../store/crc32.ts';
export { Journal, type JournalEntries, type JournalOptions } from '../store/journal.ts';
export * from '../store/slots.ts';
export { type InPlaceOptions, type InPlaceProgress, InPlaceWriter } from './in-place.ts';
export { applyInPlace, type InPlaceJob, type InPlaceSource, rehearse } from './in-place-apply.ts';
export { WINDOW_FRAMES } from './installer.ts';
export { demandStaging, Staged } from './staged.ts';
