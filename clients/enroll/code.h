/* One-time codes: text that lets a new machine enroll a key. `sitewire key invite` prints one,
 * `sitewire key accept` and `sitewire-runner --enroll` use it. A code holds endpoints, the broker's
 * keys and the secret half of a temporary pair, so it is a secret until it is used. */
#ifndef SW_ENROLL_CODE_H
#define SW_ENROLL_CODE_H

#include "net/keyfile.h"

#define SW_CODE_ENDPOINTS 512  /* bytes, with NUL */
#define SW_CODE_SIZE      1024 /* bytes of the text, with NUL */

typedef struct sw_code_content {
    char endpoints[SW_CODE_ENDPOINTS]; /* where the new machine connects: tcp, comma-separated */
    sw_key_file key; /* the temporary pair, with the one or two keys of the broker; wipe it */
} sw_code_content;

/* Text of letters, digits, - and _, which no shell and no terminal breaks. INVALID_ARGUMENT if the
 * endpoints are empty or too long. */
sw_code sw_code_write(const sw_code_content *content, char text[SW_CODE_SIZE], sw_error *error);
/* INVALID_ARGUMENT if the text is not a code, or not a whole one. */
sw_code sw_code_read(const char *text, sw_code_content *content, sw_error *error);

#endif
