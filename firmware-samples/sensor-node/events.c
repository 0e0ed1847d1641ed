#include "events.h"

const event_kind event_kinds[EVENT_KINDS] = {
  [EVENT_STARTED] = {LOG_INFO, "started, board revision %ld, boot word %08lx"},
  [EVENT_CRASHED] = {LOG_ERROR, "crashed before this start, at %08lx, %ld times in all"},
  [EVENT_STORE_BROKEN] = {LOG_ERROR, "settings cannot be read or written"},
  [EVENT_SELF_TEST] = {LOG_WARNING, "self-test: %ld of %ld checks failed"},
  [EVENT_RADIO_UP] = {LOG_INFO, "gateway answers, signal %ld dBm, session %ld"},
  [EVENT_RADIO_DOWN] = {LOG_WARNING, "gateway silent after %ld tries, next in %ld s"},
  [EVENT_SENT] = {LOG_DEBUG, "report %ld sent, %ld bytes"},
  [EVENT_RETRY] = {LOG_DEBUG, "report %ld sent again, try %ld"},
  [EVENT_GAVE_UP] = {LOG_WARNING, "report %ld given up after %ld tries"},
  [EVENT_BAD_MESSAGE] = {LOG_WARNING, "message refused, reason %ld, %ld bytes"},
  [EVENT_ALARM_ON] = {LOG_WARNING, "alarm on for quantity %ld at %ld hundredths"},
  [EVENT_ALARM_OFF] = {LOG_INFO, "alarm off for quantity %ld at %ld hundredths"},
  [EVENT_TIME_SET] = {LOG_INFO, "clock moved by %ld s"},
  [EVENT_SENSOR_LOST] = {LOG_ERROR, "sensor %ld gives no valid values since %ld s"},
#if SINCE(1, 1, 0)
  [EVENT_VIBRATION] = {LOG_WARNING, "vibration of %ld thousandths at %ld Hz"},
#endif
};
