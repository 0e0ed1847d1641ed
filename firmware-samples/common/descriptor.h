/* The self-test descriptor (README, "The descriptor"): what a virtual boot reads in place of running the image. */
#ifndef DESCRIPTOR_H
#define DESCRIPTOR_H

const char *descriptor_product(void);
const char *descriptor_version(void);

#endif
