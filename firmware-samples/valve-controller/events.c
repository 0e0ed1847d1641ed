#include "events.h"

const event_kind event_kinds[EVENT_KINDS] = {
  [EVENT_STARTED] = {LOG_INFO, "started, self-test result %ld"},
  [EVENT_CRASHED] = {LOG_ERROR, "crashed before this start, at %08lx, %ld times in all"},
  [EVENT_STORE_BROKEN] = {LOG_ERROR, "settings cannot be read or written"},
  [EVENT_SELF_TEST] = {LOG_ERROR, "self-test failed: mask %02lx"},
  [EVENT_MOVING] = {LOG_DEBUG, "valve moves from %ld to %ld steps"},
  [EVENT_ARRIVED] = {LOG_DEBUG, "valve rests at %ld after %ld steps"},
  [EVENT_JAM] = {LOG_WARNING, "valve jammed at %ld, try %ld"},
  [EVENT_LEAK] = {LOG_ERROR, "closed, and yet %ld ml per minute flow"},
  [EVENT_GOAL] = {LOG_INFO, "goal %ld hundredths of a litre per minute"},
  [EVENT_PROGRAM_START] = {LOG_INFO, "programme slot %ld starts"},
  [EVENT_PROGRAM_END] = {LOG_INFO, "programme slot %ld ends"},
  [EVENT_MESSAGE] = {LOG_WARNING, "bus message refused, reason %ld"},
};
