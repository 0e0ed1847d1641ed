/** Power cuts on virtual flash. Why they are together: ava.quick.config.mjs. */
import '../power-cut/components.test.ts';
import '../power-cut/firmware.test.ts';
import '../power-cut/geometries.test.ts';
import '../power-cut/in-place.test.ts';
import '../power-cut/in-place-fleet.test.ts';
import '../power-cut/in-place-journal.test.ts';
import '../power-cut/in-place-update.test.ts';
import '../power-cut/journal.test.ts';
import '../power-cut/predicted.test.ts';
import '../power-cut/slots.test.ts';
import '../power-cut/update.test.ts';
