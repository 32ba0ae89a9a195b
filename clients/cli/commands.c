/* The table of commands: one row each, and the flags that it takes. Help, completion and docs/cli.md are
 * printed from it. */
#include "cli.h"
#include <string.h>

#define END                                                                                                  \
    {                                                                                                        \
        0                                                                                                    \
    }

const sw_flag sw_global_flags[] = {
    {"endpoint", 0, "ENDPOINTS", "where the brokers are, comma-separated (default: $SITEWIRE_ENDPOINT)"},
    {"timeout", 0, "TIME", "time for each call: 250ms, 5s, 2m (default: 30s)"},
    {"json", 0, NULL, "output for programs: one JSON object per line"},
    {"timing", 0, NULL, "print the time that each call spent at each hop, on stderr"},
    {"help", 'h', NULL, "print this"},
    {"version", 0, NULL, "print the version"},
    END};

static const sw_flag call_flags[] = {
    {"request-id", 0, "ID", "makes a change safe to repeat: the same id takes effect once"},
    {"metadata", 'm', "KEY=VALUE", "a header of the call, such as traceparent; may be repeated"},
    {"destination", 'd', "NAME", "who shall answer: a service, or @INSTANCE for one process"},
    {"stream", 0, "CREDIT", "messages of a stream that may be on their way at once (default: 64)"},
    END};

static const sw_flag up_flags[] = {
    {"data", 0, "DIR", "where everything lives; made if it is not there (default: $SITEWIRE_DATA)"},
    {"frontend", 0, "ENDPOINTS", "where clients connect (default: ipc, a socket in DIR/run)"},
    {"backend", 0, "ENDPOINTS", "where services connect (default: ipc, a socket in DIR/run)"},
    {"events", 0, "ENDPOINTS", "where subscribers connect (default: ipc, a socket in DIR/run)"},
    {"log-level", 0, "LEVEL", "error, warning, info or debug (default: info)"},
    END};

static const sw_flag import_flags[] = {
    {"map", 0, "FILE", "how to read CSV of a foreign shape: see docs/import.md"},
    {"resource", 0, "RESOURCE", "what the rows are (default: each row says, or the file's name)"},
    {"format", 0, "FORMAT", "jsonl, csv or tsv (default: by the file's name)"},
    {"rejects", 0, "FILE", "writes the rows that failed there, with the reason, to be mended and imported"},
    {"dry-run", 0, NULL, "does everything except keeping the changes"},
    {"jobs", 0, "N", "rows on their way at once (default: 256)"},
    END};

static const sw_flag export_flags[] = {
    {"csv", 0, "DIR", "one CSV file per resource in a folder, instead of JSON lines"}, END};

static const sw_flag help_flags[] = {{"markdown", 0, NULL, "all of it, as docs/cli.md"}, END};

const sw_command sw_commands[] = {
    {"call", sw_cmd_call, "Call any method, with JSON in and out.", "METHOD [JSON | -]", call_flags,
     "METHOD is Service/Method or just Method, with or without the package. The request is proto3 JSON ({} "
     "if it\n"
     "is left out; - reads it from stdin). Replies are printed indented, with --json on one line. A stream\n"
     "prints one object per line until it ends or Ctrl-C is pressed. `sitewire describe METHOD` shows the\n"
     "fields of a method and a request to start from.\n",
     "# one website, and how long each hop took\n"
     "sitewire call Referential/GetWebsite '{\"code\": \"saint-gobain.com\"}' --timing\n"
     "# the health of the broker, as it changes\n"
     "sitewire call Health/Watch\n"
     "# the counters of one process\n"
     "sitewire call Stats/GetStats --destination @referential-4711-1a2b\n",
     false},
    {"up", sw_cmd_up, "Run a whole system in one folder: PostgreSQL, broker and services.", "--data DIR",
     up_flags,
     "The first start makes a private PostgreSQL cluster in DIR, reached by a socket only; every start\n"
     "applies the migrations, starts broker and services, and restarts what ends. The line `ready` is\n"
     "printed once calls are served; DIR/env then holds the endpoints, so that `. DIR/env` lets every other\n"
     "command find the system. SIGINT or SIGTERM ends everything in order. After a crash, start it again.\n",
     "# a system in a folder, until Ctrl-C\n"
     "sitewire up --data ~/sitewire\n"
     "# reachable over tcp as well\n"
     "sitewire up --data ~/sitewire --frontend 'ipc:///tmp/sitewire.sock,tcp://127.0.0.1:5555'\n",
     false},
    {"import", sw_cmd_import, "Bring rows of files into the registry, safe to repeat.", "FILE...",
     import_flags,
     "Files are JSON lines ({\"resource\": \"Website\", \"code\": ...}), CSV with the names of fields as "
     "header,\n"
     "named after the resource (website.csv), or CSV of a foreign shape with --map; - is stdin. Each row is\n"
     "created, or updated where it differs; null clears a field. Rows that refer to others wait for them, "
     "in\n"
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
     "meanwhile are written as they were before or after.\n",
     "# a copy of everything\n"
     "sitewire export > fleet.jsonl\n"
     "# two resources for a spreadsheet\n"
     "sitewire export websites domains --csv tables\n",
     false},
    {"help", sw_cmd_help, "Print help on a command, or on the exit status.", "[COMMAND | errors]", help_flags,
     "",
     "# what list can do\n"
     "sitewire help list\n"
     "# the exit status\n"
     "sitewire help errors\n",
     false},
    END};

const sw_command *sw_command_find(const char *name)
{
    for (const sw_command *c = sw_commands; c->name != NULL; c++)
        if (strcmp(c->name, name) == 0)
            return c;
    return NULL;
}
