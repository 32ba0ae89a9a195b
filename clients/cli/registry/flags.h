/* Flags that several commands take, as rows of their tables. */
#ifndef SW_CLI_REGISTRY_FLAGS_H
#define SW_CLI_REGISTRY_FLAGS_H

// clang-format off
#define FIELDS_FLAG   {"fields", 'f', "A,B", "only these fields, in this order; `all` for all fields"}
#define CSV_FLAG      {"csv", 0, NULL, "CSV (RFC 4180, but lines end with LF) with a header"}
#define DRY_RUN_FLAG  {"dry-run", 'n', NULL, "let the service check everything, but change nothing"}
#define REVISION_FLAG {"revision", 0, "N", "only if the row still has this revision (else ABORTED)"}
#define AT_FLAG       {"at", 0, "TIME", "as of a past time: 2026-11-24, 2026-11-24T10:00:00Z, 2h or 30d ago"}
// clang-format on

/* The flags that sw_list reads. */
#define LIST_FLAGS                                                                                           \
    {"filter", 0, "'FIELD OP VALUE'", "only rows that match; may be repeated: all must match"},              \
        {"order", 'o', "FIELD,-FIELD", "sort by these fields, - for descending; then by key"},               \
        {"search", 's', "TEXT", "only rows with this text in a text field, in any case"},                    \
        {"limit", 'l', "N", "at most N rows"},                                                               \
        {"page-size", 0, "N", "rows per call, 1 to 1000 (default: 1000)"}, FIELDS_FLAG, CSV_FLAG,            \
        {"count", 0, NULL, "print only the number of rows that match"}, AT_FLAG

#endif
