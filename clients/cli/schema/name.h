/* Spellings of the schema's names, as people read and type them. */
#ifndef SW_CLI_SCHEMA_NAME_H
#define SW_CLI_SCHEMA_NAME_H

#include <stddef.h>

/* The part after the last dot or slash of a full name. */
const char *sw_short_name(const char *full);
/* `website-deployed` for `WebsiteDeployed`. */
void sw_kebab_name(const char *camel, char *text, size_t size);
/* Keeps letters and digits only, in lower case, so that all spellings of a name become equal. */
void sw_plain_name(const char *name, char *text, size_t size);

#endif
