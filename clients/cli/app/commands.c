/* All commands and the flags of every command: the lists from which the program finds, helps
 * with and completes what people type. */
#include "cli/app/commands.h"
#include "cli/deploy/commands.h"
#include "cli/import/commands.h"
#include "cli/registry/commands.h"
#include "cli/system/commands.h"

static const sw_flag global_flags[] = {
    {"endpoint", 0, "ENDPOINTS", "brokers, A,B,...: the first that serves (default: $SITEWIRE_ENDPOINT)"},
    {"spread", 0, NULL, "use the endpoints in an order at random, to balance clients"},
    {"key", 0, "FILE", "your key file, or off (default: $SITEWIRE_KEY, ~/.config/sitewire/key)"},
    {"timeout", 0, "TIME", "time limit of all calls together; of lists, of each page (default: 30s)"},
    {"json", 0, NULL, "output for programs: one JSON object per line"},
    {"reason", 0, "TEXT", "why you make the change; history keeps it"},
    {"timing", 0, NULL, "print on stderr how long each call took at each hop"},
    {"help", 'h', NULL, "print this help"},
    {"version", 0, NULL, "print the version"},
    {.name = NULL}};

static const sw_flag help_flags[] = {{"markdown", 0, NULL, "print all help as docs/cli.md"}, {.name = NULL}};

// clang-format off
static const sw_command own_commands[] = {
    {"completion", sw_cmd_completion, "Print the completion script for a shell.", "bash", NULL,
     "Completes commands, flags, resources and fields, and the codes that the services know.\n",
     "# in this shell\n"
     "source <(sitewire completion bash)\n"
     "# in every new shell\n"
     "sitewire completion bash > ~/.local/share/bash-completion/completions/sitewire\n",
     false},
    {"help", sw_cmd_help, "Print help about a command, or about the exit status.", "[COMMAND | errors]", help_flags,
     "",
     "# what list can do\n"
     "sitewire help list\n"
     "# the exit status\n"
     "sitewire help errors\n",
     false},
    {"__complete", sw_cmd_complete, "Candidates for the last word of a line.", "LINE", NULL, "", "", true},
    {.name = NULL}};
// clang-format on

static const sw_command_group groups[] = {
    {"Registry", sw_registry_commands},  {"Import and export", sw_import_commands},
    {"Deployments", sw_deploy_commands}, {"System", sw_system_commands},
    {"This program", own_commands},      {.title = NULL}};

const sw_command_set sw_all_commands = {.flags = global_flags, .groups = groups};
