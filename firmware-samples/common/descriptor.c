/*
 * FW_PRODUCT, FW_VERSION and FW_FAILS_ON come from releases.json by way of the build script. FW_FAILS_ON is a
 * count byte and then each hardware revision as a length byte and its name. Nothing else in the program may spell
 * the magic: whoever reads an image searches for it and expects to find it once.
 */
#include "descriptor.h"

#include <stdint.h>

#define LENGTH_OF(text) (sizeof(text) - 1)
#define BODY_BYTES (1 + LENGTH_OF(FW_PRODUCT) + 1 + LENGTH_OF(FW_VERSION) + LENGTH_OF(FW_FAILS_ON))

_Static_assert(LENGTH_OF(FW_PRODUCT) < 256 && LENGTH_OF(FW_VERSION) < 256, "a name has one length byte");
_Static_assert(16 + 2 + BODY_BYTES <= 128, "the linker script keeps 128 bytes for the descriptor");

__attribute__((section(".descriptor"), used)) static const struct __attribute__((packed)) {
  char magic[16];
  uint16_t body_bytes;
  uint8_t product_bytes;
  char product[LENGTH_OF(FW_PRODUCT)];
  uint8_t version_bytes;
  char version[LENGTH_OF(FW_VERSION)];
  char fails_on[LENGTH_OF(FW_FAILS_ON)];
} descriptor = {
  .magic = "CSGN-DESCRIPTOR1",
  .body_bytes = BODY_BYTES,
  .product_bytes = LENGTH_OF(FW_PRODUCT),
  .product = FW_PRODUCT,
  .version_bytes = LENGTH_OF(FW_VERSION),
  .version = FW_VERSION,
  .fails_on = FW_FAILS_ON,
};

const char *descriptor_product(void) {
  return FW_PRODUCT;
}

const char *descriptor_version(void) {
  return FW_VERSION;
}
