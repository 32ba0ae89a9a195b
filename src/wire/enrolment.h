/* What a proof of possession says, so that both sides say the same: service/enrolment.c checks it,
 * clients/enroll makes it. */
#ifndef SW_WIRE_ENROLMENT_H
#define SW_WIRE_ENROLMENT_H

#include <stddef.h>
#include <stdint.h>

#define SW_ENROLMENT_TEXT 512 /* bytes, with NUL */
#define SW_ENROLMENT_S    600 /* seconds for which a proof is good */

/* The text for a public key (Z85), a user and a time (seconds since 1970). Returns its length; 0 if
 * it is too long. */
size_t sw_enrolment_text(const char *public_key, const char *user, int64_t time_s,
                         char text[SW_ENROLMENT_TEXT]);

#endif
