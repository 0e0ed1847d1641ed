#include "events.h"

const event_kind event_kinds[EVENT_KINDS] = {
  [EVENT_STARTED] = {LOG_INFO, "started, self-test result %ld"},
  [EVENT_CRASHED] = {LOG_ERROR, "crashed before this start, at %08lx, %ld times in all"},
  [EVENT_STORE_BROKEN] = {LOG_ERROR, "settings cannot be read or written"},
  [EVENT_SELF_TEST] = {LOG_ERROR, "self-test failed: mask %02lx"},
  [EVENT_RUNS] = {LOG_INFO, "pump runs at %ld mA after %ld ms"},
  [EVENT_RESTS] = {LOG_INFO, "pump rests after %ld s"},
  [EVENT_STALLED] = {LOG_ERROR, "rotor stalled at %ld mA"},
  [EVENT_DRY] = {LOG_WARNING, "running dry at %ld mA"},
  [EVENT_HOT] = {LOG_WARNING, "winding at %ld tenths of a degree"},
  [EVENT_BEARING] = {LOG_WARNING, "bearing tone %ld, normal is %ld"},
  [EVENT_TRIPPED] = {LOG_ERROR, "relay opened, cause %ld, trip %ld"},
};
