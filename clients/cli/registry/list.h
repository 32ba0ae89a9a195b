/* Lists as `sitewire list` makes them, for commands that list one resource. */
#ifndef SW_CLI_REGISTRY_LIST_H
#define SW_CLI_REGISTRY_LIST_H

#include "cli/run/cli.h"

/* What is listed, and how where the flags do not say. Texts are lent. */
typedef struct sw_listing {
    const char *resource;
    size_t first_filter; /* words from this one on are filters */
    json_t *filters;     /* further ones, all of which must hold; NULL: none */
    const char *order;   /* NULL: by key */
    const char *fields;  /* of a table; NULL: all but bookkeeping */
    int64_t limit;       /* 0: none */
} sw_listing;

/* Reads --filter, --order, --search, --limit, --page-size, --fields, --csv, --count and --at. */
sw_code sw_list(sw_cli *cli, const sw_listing *listing, sw_error *error);

#endif
