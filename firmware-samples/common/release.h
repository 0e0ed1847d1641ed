/* FW_RELEASE is major * 10000 + minor * 100 + patch of the release being built. */
#ifndef RELEASE_H
#define RELEASE_H

#define SINCE(major, minor, patch) (FW_RELEASE >= (major) * 10000 + (minor) * 100 + (patch))
#define ONLY(major, minor, patch) (FW_RELEASE == (major) * 10000 + (minor) * 100 + (patch))

#endif
