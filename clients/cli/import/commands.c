/* The table of the commands import and export, and their flags. */
#include "cli/import/commands.h"

static const sw_flag import_flags[] = {
    {"map", 0, "FILE", "read CSV with other columns as this mapping says (docs/import.md)"},
    {"resource", 0, "RESOURCE", "the resource of the rows (default: as each row or the file's name says)"},
    {"format", 0, "FORMAT", "jsonl, csv or tsv (default: by the file's name)"},
    {"rejects", 0, "FILE", "write the rows that failed there, with the reasons, to be corrected"},
    {"dry-run", 0, NULL, "do everything except storing the changes"},
    {"secrets-key", 0, "FILE", "the key file that opens the secrets of an export"},
    {"jobs", 0, "N", "rows in flight at a time (default: 256)"},
    {.name = NULL}};

static const sw_flag export_flags[] = {
    {"csv", 0, "DIR", "write one CSV file per resource to this folder, instead of JSON lines"},
    {"secrets-to", 0, "PUBLICKEY", "include secrets, sealed for this public key"},
    {.name = NULL}};

// clang-format off
const sw_command sw_import_commands[] = {
    {"import", sw_cmd_import, "Create or update rows from files; safe to repeat.", "FILE...", import_flags,
     "A FILE (- is stdin) contains JSON lines ({\"resource\": \"Website\", \"code\": ...}), or CSV\n"
     "with the names of fields as its header, named after the resource (website.csv), or any\n"
     "CSV with --map. Each row is created, or updated if it differs; null clears a field. Rows\n"
     "may come in any order: a row waits for those that it refers to. Bad rows are reported\n"
     "with file, line, field and reason, and the others are imported. The exit status is that\n"
     "of the first row that failed. With several files, --rejects names a folder.\n",
     "# the demo fleet; a second run changes nothing\n"
     "sitewire import clients/demo/*.jsonl\n"
     "# websites from a spreadsheet, as a dry run first\n"
     "sitewire import website.csv --dry-run\n"
     "# CSV with other columns, keeping the bad rows in a file\n"
     "sitewire import --map us-federal-websites.map us-federal-websites.csv --rejects bad.csv\n",
     false},
    {"export", sw_cmd_export, "Write the registry, or some resources, for import.", "[RESOURCE...]",
     export_flags,
     "Writes JSON lines to stdout: the fields that users may set, and rows that others refer to\n"
     "first. `sitewire import` of them into an empty system creates the same rows. A row that\n"
     "changes meanwhile is written as it was before or after the change.\n"
     "\n"
     "Secrets are left out. --secrets-to includes those that you may read, sealed for a public\n"
     "key; history records that you read them. `sitewire import --secrets-key FILE` opens them\n"
     "with the secret key.\n",
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
