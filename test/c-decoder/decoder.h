/* A decoder of the delta container, written from docs/FORMAT-DELTA.md. It verifies nothing: see README.md. */
#ifndef CS_DECODER_H
#define CS_DECODER_H

#include <stdint.h>

/* What is built in: a bit per predictor number and per coder number. A firmware leaves out what it does not need. */
#ifndef CS_PREDICTORS
#define CS_PREDICTORS 0xFF
#endif
#ifndef CS_CODERS
#define CS_CODERS 0x0F
#endif

#define CS_HEADER_MAX 58
#define CS_RECORD_MAX 71
#define CS_STATE_BYTES 256

/* The codes of docs/REFUSALS.md, and one for a port that failed. A decoder that refused once goes on refusing. */
typedef enum {
  CS_OK,
  CS_BAD_DELTA,
  CS_UNSUPPORTED,
  CS_NO_MEMORY,
  CS_NO_SPACE,
  CS_BAD_STATE,
  CS_PORT_FAILED
} cs_status;

typedef struct {
  void *context;
  /* Reads bytes of the old image. Never asked for bytes behind its end, nor for bytes that are gone. 0 is success. */
  int (*read_old)(void *context, uint32_t offset, uint8_t *into, uint32_t bytes);
  /* Takes a page of the new image. The bytes are the decoder's and change after the call. 0 is success. */
  int (*write_page)(void *context, uint32_t offset, const uint8_t *page, uint32_t bytes);
  uint32_t new_bytes; /* signed size of the new image */
  uint32_t old_bytes; /* size of the running image */
  uint32_t slot_bytes;
  uint32_t memory_bytes; /* of the workspace */
} cs_ports;

typedef struct cs_decoder cs_decoder;

/* A decoder in the caller's memory, at least CS_STATE_BYTES, aligned for a pointer; NULL if it is less than that. The
   ports stay the caller's, and must outlive the decoder. */
cs_decoder *cs_begin(void *workspace, const cs_ports *ports);

/* What of a container is pushed into a decoder that goes on: the model section again, and all from stream_at on. */
typedef struct {
  uint32_t model_at;
  uint32_t model_bytes;
  uint32_t stream_at;
} cs_rest;

/* A decoder that goes on from a journal record. NULL, with the status, where the record or its header is refused. */
cs_decoder *cs_resume(void *workspace, const cs_ports *ports, const uint8_t *record, uint32_t bytes, cs_status *status,
                      cs_rest *rest);

/* Takes the next bytes of the container, in any pieces. */
cs_status cs_push(cs_decoder *, const uint8_t *bytes, uint32_t count);

/* To be called behind the last byte: a container that is cut is refused here. */
cs_status cs_finish(cs_decoder *);

/* Writes the journal record of the last checkpoint; answers its length, 0 if there is none. */
uint32_t cs_checkpoint(const cs_decoder *, uint8_t record[CS_RECORD_MAX]);

#endif
