/* Proofs that somebody has the secret half of a key that is to be enrolled: a box of libsodium from
 * that key to the registry's own. A key of CURVE cannot sign. Used by user.c. */
#ifndef SW_SERVICE_ENROLMENT_H
#define SW_SERVICE_ENROLMENT_H

#include "store/store.h"

/* Hooks of GetEnrolment (the reply: the public key that a proof is encrypted for) and of EnrollKey
 * (checks the proof; UNAUTHENTICATED if it is none, INVALID_ARGUMENT for a malformed key). */
sw_code sw_enrolment_answer(const sw_hook_context *hook, sw_error *error);
sw_code sw_enrolment_check(const sw_hook_context *hook, sw_error *error);

#endif
