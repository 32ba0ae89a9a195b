/* The table of the commands about import and export: one row each, and the flags that it takes. */
#include "cli/import/commands.h"

static const sw_flag import_flags[] = {
    {"map", 0, "FILE", "how to read CSV of a foreign shape: see docs/import.md"},
    {"resource", 0, "RESOURCE", "what the rows are (default: each row says, or the file's name)"},
    {"format", 0, "FORMAT", "jsonl, csv or tsv (default: by the file's name)"},
    {"rejects", 0, "FILE", "writes the rows that failed there, with the reason, to be mended and imported"},
    {"dry-run", 0, NULL, "does everything except keeping the changes"},
    {"secrets-key", 0, "FILE", "the key file that opens the secrets of an export"},
    {"jobs", 0, "N", "rows on their way at once (default: 256)"},
    {.name = NULL}};

static const sw_flag export_flags[] = {
    {"csv", 0, "DIR", "one CSV file per resource in a folder, instead of JSON lines"},
    {"secrets-to", 0, "PUBLICKEY", "secrets, too, sealed for who holds the other half of this key"},
    {.name = NULL}};

// clang-format off
const sw_command sw_import_commands[] = {
    {"import", sw_cmd_import, "Bring rows of files into the registry, safe to repeat.", "FILE...",
     import_flags,
     "Files are JSON lines ({\"resource\": \"Website\", \"code\": ...}), CSV with the names of fields as header,\n"
     "named after the resource (website.csv), or CSV of a foreign shape with --map; - is stdin. Each row is\n"
     "created, or updated where it differs; null clears a field. Rows that refer to others wait for them, in\n"
     "any order of the input. Bad rows are reported, each with file, line, field and reason, and the others\n"
     "imported. The exit status is that of the first row that failed. With several files, --rejects names a\n"
     "folder.\n",
     "# the demo fleet; a second run changes nothing\n"
     "sitewire import clients/demo/*.jsonl\n"
     "# websites of a spreadsheet, a trial first\n"
     "sitewire import website.csv --dry-run\n"
     "# rows of a foreign shape, the bad ones kept apart\n"
     "sitewire import --map us-federal-websites.map us-federal-websites.csv --rejects bad.csv\n",
     false},
    {"export", sw_cmd_export, "Write the registry, or some resources, for import.", "[RESOURCE...]",
     export_flags,
     "JSON lines on stdout: what somebody may set, without what the registry sets itself, rows that others\n"
     "refer to first. `sitewire import` of it into an empty system gives the same rows. Rows that change\n"
     "meanwhile are written as they were before or after.\n"
     "\n"
     "Secrets are left out. --secrets-to adds those that you may read, sealed for a public key; each is written\n"
     "down as read. `sitewire import --secrets-key FILE` opens them with the other half.\n",
     "# a copy of everything\n"
     "sitewire export > fleet.jsonl\n"
     "# two resources for a spreadsheet\n"
     "sitewire export websites domains --csv tables\n"
     "# with secrets, which only the key in backup.key opens\n"
     "sitewire export --secrets-to \"$(sitewire key new backup.key)\" > fleet.jsonl\n"
     "sitewire import fleet.jsonl --secrets-key backup.key\n",
     false},
    {.name = NULL}};
// clang-format on
