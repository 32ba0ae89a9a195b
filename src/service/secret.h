/* The methods of secrets: what their statements need sealed before, and opened after. Hooks for the rows of referential.c;
 * the hooks' context is a sw_vault. */
#ifndef SW_SERVICE_SECRET_H
#define SW_SERVICE_SECRET_H

#include "store/store.h"

/* SetSecret, between its statements: checks the value and seals it. Inner message: OneSecret. */
sw_query_hook sw_secret_seal;
/* ReadSecret, first and last: checks whom to seal it for; opens it, and perhaps seals it for somebody. OneSecret. */
sw_query_hook sw_secret_check_reader, sw_secret_open;
/* RotateSecrets, first and between its statements: which key, and each secret sealed anew. ManySecrets. */
sw_query_hook sw_secret_begin_rotation, sw_secret_reseal;

#endif
