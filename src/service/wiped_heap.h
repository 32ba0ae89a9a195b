/* A heap for libcrypto that overwrites what is freed: libcrypto keeps copies of a private key's PEM
 * and DER in buffers that it frees as they are. Used by main.c. */
#ifndef SW_SERVICE_WIPED_HEAP_H
#define SW_SERVICE_WIPED_HEAP_H

#include <sitewire/status.h>

/* Gives libcrypto the heap. Call it first in main: INTERNAL if libcrypto has allocated before. */
sw_code sw_wiped_heap_use(sw_error *error);

#endif
