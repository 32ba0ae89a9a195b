/* Hooks of the methods for secrets: they seal before a statement, and open after one. Used by the
 * rows of referential.c. The context of the hooks is a sw_vault. */
#ifndef SW_SERVICE_SECRET_H
#define SW_SERVICE_SECRET_H

#include "store/store.h"

/* GetSealingKey, `begin`: derives the public key. The inner message is SealingKey. */
sw_query_hook sw_secret_show_key;
/* SetSecret, `middle`: opens the value, checks it, and seals it with the newest master key. The
 * inner message is OneSecret. */
sw_query_hook sw_secret_seal;
/* ReadSecret, `begin` and `end`: check the key to seal the secret for; open the secret, and seal it
 * for that key. The inner message is OneSecret. */
sw_query_hook sw_secret_check_reader, sw_secret_open;
/* RotateSecrets, `begin` and `middle`: find the newest key; seal each secret again with it. The
 * inner message is ManySecrets. */
sw_query_hook sw_secret_begin_rotation, sw_secret_reseal;

#endif
