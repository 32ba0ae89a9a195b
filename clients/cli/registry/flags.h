/* Flags that several commands take, as rows of their tables of flags. */
#ifndef SW_CLI_REGISTRY_FLAGS_H
#define SW_CLI_REGISTRY_FLAGS_H

// clang-format off
#define FIELDS_FLAG   {"fields", 'f', "A,B", "only these fields, in this order; `all` for every field"}
#define CSV_FLAG      {"csv", 0, NULL, "as CSV (RFC 4180, with LF at the ends of lines) with a title row"}
#define DRY_RUN_FLAG  {"dry-run", 'n', NULL, "let the service check it all, and change nothing"}
#define REVISION_FLAG {"revision", 0, "N", "only if the row still has this revision (ABORTED otherwise)"}
#define AT_FLAG       {"at", 0, "TIME", "as of then: 2026-11-24, 2026-11-24T10:00:00Z, or how long ago, such as 2h or 30d"}
// clang-format on

/* What sw_list reads. */
#define LIST_FLAGS                                                                                           \
    {"filter", 0, "'FIELD OP VALUE'", "only what matches; may be repeated: all must match"},                 \
        {"order", 'o', "FIELD,-FIELD", "sort by these, - for descending; then by key"},                      \
        {"search", 's', "TEXT", "part of any text field, in any case"},                                      \
        {"limit", 'l', "N", "at most so many"},                                                              \
        {"page-size", 0, "N", "rows for each call, 1 to 1000 (default: 1000)"}, FIELDS_FLAG, CSV_FLAG,       \
        {"count", 0, NULL, "only the number of rows that match"}, AT_FLAG

#endif
