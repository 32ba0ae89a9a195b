/* Passwords in settings: in connection strings of PostgreSQL and in URLs, and one-time codes. Used
 * before a setting is shown. */
#ifndef SW_BASE_REDACT_H
#define SW_BASE_REDACT_H

#include <stdbool.h>
#include <stddef.h>

/* Copies `text` with `***` in place of each password: `password=...` and `sslpassword=...` in a
 * connection string or in the query of a URL, `//user:password@`, and codes of `sitewire key
 * invite`. Cuts what does not fit. In doubt it hides too much. True if there was a password. */
bool sw_redact(const char *text, char *to, size_t size);

/* Whether a variable of this name holds a secret, such as PGPASSWORD or AWS_SECRET_ACCESS_KEY. */
bool sw_name_is_secret(const char *name);

#endif
