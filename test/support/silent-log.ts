/** A log that nobody reads. */
export const SILENT = { debug() {}, info() {}, warn() {}, error() {} };
