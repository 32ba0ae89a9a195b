/* Lists in the form of `sitewire list`, for commands that list one resource. */
#ifndef SW_CLI_REGISTRY_LIST_H
#define SW_CLI_REGISTRY_LIST_H

#include "cli/run/cli.h"

/* What is listed, and the defaults for flags that are not given. Texts are lent. */
typedef struct sw_listing {
    const char *resource;
    size_t first_filter; /* words from this one on are filters */
    json_t *filters;     /* further filters, which must match too; NULL: none */
    const char *order;   /* NULL: by key */
    const char *fields;  /* columns of a table; NULL: all except bookkeeping */
    int64_t limit;       /* 0: no limit */
} sw_listing;

/* Reads --filter, --order, --search, --limit, --page-size, --fields, --csv, --count and --at. */
sw_code sw_list(sw_cli *cli, const sw_listing *listing, sw_error *error);

#endif
