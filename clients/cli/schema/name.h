/* Names of the schema in the spellings that people read and type. */
#ifndef SW_CLI_NAME_H
#define SW_CLI_NAME_H

#include <stddef.h>

/* What follows the last dot or slash of a full name. */
const char *sw_short_name(const char *full);
/* `website-deployed` of `WebsiteDeployed`. */
void sw_kebab_name(const char *camel, char *text, size_t size);
/* Only the letters and digits, in lower case: two spellings of one name become equal. */
void sw_plain_name(const char *name, char *text, size_t size);

#endif
