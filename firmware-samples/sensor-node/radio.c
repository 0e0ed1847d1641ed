/* Sealed messages to the gateway over the modem's serial line: join, send, wait for the answer, try again. */
#include "radio.h"

#include <string.h>

#include "board.h"
#include "crypto.h"
#include "events.h"
#include "framing.h"
#include "hal.h"
#include "settings.h"
#include "telemetry.h"

#define MODEM ((uart_regs *)BOARD_RADIO_BASE)
#define ANSWER_MS 1500u
#define JOIN_MS 5000u
#define BACKOFF_MS_MAX 900000u
#define HEADER_BYTES 9 /* kind, session, counter */
#define TAG_BYTES 16

typedef enum { STATE_OFF, STATE_JOINING, STATE_READY, STATE_WAITING, STATE_BACKING_OFF, STATES } radio_state;
typedef enum { PACKET_JOIN = 1, PACKET_WELCOME, PACKET_DATA, PACKET_ANSWER, PACKET_REQUEST } packet_kind;

static const char *const state_names[STATES] = {"off", "joining", "ready", "waiting", "backing off"};

static radio_state state;
static uint8_t send_key[32], receive_key[32], secret_kept[32];
static uint32_t session, send_counter, receive_counter, deadline_ms, backoff_ms;
static uint8_t pending[RADIO_MESSAGE_MAX];
static size_t pending_length;
static uint32_t pending_number;
static uint8_t tries;
static int signal_dbm;
static frame_reader incoming;
static radio_counts counts;

static void derive_keys(void) {
  uint8_t material[36], both[64];
  memcpy(material, secret_kept, 32);
  for (int i = 0; i < 4; i++) material[32 + i] = (uint8_t)(session >> (8 * i));
  hkdf_sha256(material, sizeof material, "node to gateway, gateway to node", both, sizeof both);
  memcpy(send_key, both, 32);
  memcpy(receive_key, both + 32, 32);
  send_counter = receive_counter = 0;
}

/* A modem that takes nothing loses the packet; the missing answer brings it again. */
static void modem_write(const uint8_t *bytes, size_t length) {
  for (size_t i = 0; i < length; i++) {
    uint32_t spins = 0;
    while (!(MODEM->status & 2u))
      if (++spins > SPINS_MAX) return;
    MODEM->data = bytes[i];
  }
}

static void put_word(uint8_t *p, uint32_t word) {
  for (int i = 0; i < 4; i++) p[i] = (uint8_t)(word >> (8 * i));
}

static uint32_t get_word(const uint8_t *p) {
  return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static void make_nonce(uint8_t nonce[12], uint8_t kind, uint32_t counter) {
  memset(nonce, 0, 12);
  nonce[0] = kind;
  put_word(nonce + 4, session);
  put_word(nonce + 8, counter);
}

static void send_packet(packet_kind kind, const uint8_t *body, size_t length) {
  uint8_t packet[HEADER_BYTES + RADIO_MESSAGE_MAX + TAG_BYTES], wire[FRAME_BYTES_MAX + 4], nonce[12];
  packet[0] = (uint8_t)kind;
  put_word(packet + 1, session);
  put_word(packet + 5, ++send_counter);
  memcpy(packet + HEADER_BYTES, body, length);
  make_nonce(nonce, packet[0], send_counter);
  aead_seal(send_key, nonce, packet, HEADER_BYTES, packet + HEADER_BYTES, length, packet + HEADER_BYTES + length);
  size_t size = frame_encode(packet, HEADER_BYTES + length + TAG_BYTES, wire, sizeof wire);
  modem_write(wire, size);
  counts.sent++;
}

static void join(void) {
  uint8_t hello[16];
  session = session * 1664525u + 1013904223u + clock_ms();
  derive_keys();
  memcpy(hello, BOARD_UNIQUE_ID, 12);
  put_word(hello + 12, wall_clock());
  send_packet(PACKET_JOIN, hello, sizeof hello);
  state = STATE_JOINING;
  deadline_ms = clock_ms() + JOIN_MS;
}

void radio_begin(const uint8_t secret[32]) {
  gpio_regs *gpio = (gpio_regs *)BOARD_GPIO_BASE;
  memcpy(secret_kept, secret, 32);
  session = get_word(BOARD_UNIQUE_ID);
  gpio->clear = BOARD_PIN_RADIO_RESET;
  clock_wait_ms(20);
  gpio->set = BOARD_PIN_RADIO_RESET;
  MODEM->divider = BOARD_CLOCK_HZ / 57600u;
  MODEM->control = 0x0du;
  join();
}

static void back_off(void) {
  backoff_ms = backoff_ms ? backoff_ms * 2 : 4000u;
  if (backoff_ms > BACKOFF_MS_MAX) backoff_ms = BACKOFF_MS_MAX;
  log_event(EVENT_RADIO_DOWN, tries, (int32_t)(backoff_ms / 1000u));
  state = STATE_BACKING_OFF;
  deadline_ms = clock_ms() + backoff_ms + BOARD_UNIQUE_ID[3] * 16u;
}

static void send_pending(void) {
  send_packet(PACKET_DATA, pending, pending_length);
  state = STATE_WAITING;
  deadline_ms = clock_ms() + (ANSWER_MS << tries);
}

bool radio_send(uint32_t number, const uint8_t *message, size_t length) {
  if (state != STATE_READY || length > sizeof pending) return false;
  memcpy(pending, message, length);
  pending_length = length;
  pending_number = number;
  tries = 0;
  send_pending();
  log_event(EVENT_SENT, (int32_t)number, (int32_t)length);
  return true;
}

static void try_again(void) {
  if (tries++ < settings.retries) {
    counts.retried++;
    log_event(EVENT_RETRY, (int32_t)pending_number, tries);
    send_pending();
    return;
  }
  counts.given_up++;
  log_event(EVENT_GAVE_UP, (int32_t)pending_number, tries);
  back_off();
}

void radio_tick(void *context) {
  (void)context;
  if (state == STATE_OFF || state == STATE_READY || (int32_t)(clock_ms() - deadline_ms) < 0) return;
  if (state == STATE_WAITING) try_again();
  else if (state == STATE_JOINING) back_off();
  else join();
}

static void welcomed(const uint8_t *body, size_t length) {
  if (state != STATE_JOINING || length < 5) return;
  wall_clock_set(get_word(body));
  signal_dbm = -(int)body[4];
  backoff_ms = 0;
  state = STATE_READY;
  log_event(EVENT_RADIO_UP, signal_dbm, (int32_t)(session & 0xffff));
}

static void answered(const uint8_t *body, size_t length) {
  if (state != STATE_WAITING || length < 5 || get_word(body) != pending_number) return;
  signal_dbm = -(int)body[4];
  counts.acknowledged++;
  state = STATE_READY;
}

static void dispatch(uint8_t kind, const uint8_t *body, size_t length) {
  switch (kind) {
    case PACKET_WELCOME: welcomed(body, length); break;
    case PACKET_ANSWER: answered(body, length); break;
    case PACKET_REQUEST: telemetry_handle(body, length); break;
    default: counts.refused++;
  }
}

/* Session and a rising counter stand in the sealed header: an old packet played again is not opened. */
static void receive_packet(uint8_t *packet, size_t length) {
  uint8_t nonce[12];
  uint32_t counter = length >= HEADER_BYTES + TAG_BYTES ? get_word(packet + 5) : 0;
  if (counter <= receive_counter || get_word(packet + 1) != session) {
    counts.refused++;
    return;
  }
  size_t body = length - HEADER_BYTES - TAG_BYTES;
  make_nonce(nonce, packet[0], counter);
  if (!aead_open(receive_key, nonce, packet, HEADER_BYTES, packet + HEADER_BYTES, body, packet + length - TAG_BYTES)) {
    counts.refused++;
    return;
  }
  receive_counter = counter;
  counts.received++;
  dispatch(packet[0], packet + HEADER_BYTES, body);
}

void radio_poll(void *context) {
  (void)context;
  uint8_t packet[FRAME_BYTES_MAX];
  for (int i = 0; i < 64 && (MODEM->status & 1u); i++) {
    int length = frame_feed(&incoming, (uint8_t)MODEM->data, packet, sizeof packet);
    if (length > 0) receive_packet(packet, (size_t)length);
  }
}

int radio_signal_dbm(void) {
  return signal_dbm;
}

const char *radio_state_name(void) {
  return state_names[state];
}

const radio_counts *radio_counters(void) {
  return &counts;
}
