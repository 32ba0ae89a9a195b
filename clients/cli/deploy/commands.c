/* The table of the commands about deployments: one row each, and the flags that it takes. */
#include "cli/deploy/commands.h"
#include "cli/registry/flags.h"

/* Flags of deploy and rollback. */
#define RUN_FLAGS                                                                                            \
    {"run", 'r', "'STEP: COMMAND'",                                                                          \
     "a command as for a shell; may be repeated; without a STEP it is DEPLOYMENT"},                          \
        {"argv", 0, "'STEP: [\"A\",\"B\"]'",                                                                 \
         "a program and its arguments as a JSON list, without a shell; may be repeated"},                    \
        {"from", 0, "FILE",                                                                                  \
         "commands from a file of JSON, - is stdin: a list of them, with all that they can say"},            \
        {"on-lost-lease", 0, "fail|retry", "what becomes of it when its runner is lost (default: fail)"},    \
        {"wait", 'w', NULL, "show it until it is over; the exit status is that of its outcome"},             \
        {"dry-run", 'n', NULL, "show the plan that it would have, and keep nothing"},                        \
    {                                                                                                        \
        "request-id", 0, "ID", "safe to repeat: the same id makes one deployment (default: a random one)"    \
    }

static const sw_flag deploy_flags[] = {
    {"env", 'e', "ENVIRONMENT", "where to"},
    {"version", 'v', "VERSION", "what shall run there"},
    {"docroot", 'd', "DOCROOT", "of the environment; may be left out if the project is on one docroot only"},
    {"type", 't', "TYPE",
     "WEBSITE, DRUPALDOCROOTCORE or CORE, its CMS (default: that of the project's kind)"},
    RUN_FLAGS,
    {.name = NULL}};

static const sw_flag rollback_flags[] = {RUN_FLAGS, {.name = NULL}};

static const sw_flag deployments_flags[] = {
    {"project", 'p', "PROJECT", "only of this one"},
    {"env", 'e', "ENVIRONMENT", "only to this one"},
    {"docroot", 'd', "DOCROOT", "only on this one"},
    {"version", 'v', "VERSION", "only of this one"},
    {"type", 't', "TYPE", "WEBSITE, DRUPALDOCROOTCORE or CORE"},
    {"status", 0, "A,B",
     "only in one of these states: requested, accepted, in-progress, done, failed, aborted"},
    {"mine", 'm', NULL, "only what you have asked for"},
    LIST_FLAGS,
    {.name = NULL}};

static const sw_flag approve_flags[] = {
    {"plan-hash", 0, "HASH", "what is approved; if the plan is another one now, it is ABORTED"},
    {"yes", 'y', NULL, "approve the plan as it is now, without a question"},
    {.name = NULL}};

static const sw_flag logs_flags[] = {
    {"follow", 'f', NULL, "go on with what is written, until the deployment is over"},
    {"offset", 'o', "N", "from this byte on"},
    {"command", 'c', "N", "only what this command has written"},
    {"raw", 0, NULL, "on a terminal, too, the bytes as they are, whatever they do to it"},
    {.name = NULL}};

static const sw_flag watch_flags[] = {
    {"project", 'p', "PROJECT", "only of this one; may be repeated (default: all that you may read)"},
    {"kind", 'k', "A,B", "only these kinds: state, command, log"},
    {"deployment", 0, "ID", "only of this deployment"},
    {"after", 0, "CURSOR", "begin after what was shown with this cursor; 0: with the first event there is"},
    {"limit", 'l', "N", "end after so many"},
    {.name = NULL}};

// clang-format off
const sw_command sw_deploy_commands[] = {
    {"deploy", sw_cmd_deploy, "Ask for a version of a project on an environment, and watch it get there.",
     "PROJECT --env ENVIRONMENT --version VERSION", deploy_flags,
     "PROJECT is website:CODE or drupaldocrootcore:CODE, or a CODE that only one of them has. Prints the plan. On a\n"
     "protected environment somebody else must approve it first; deployments to one docroot environment run one after\n"
     "the other. A runner (`sitewire-runner`) executes the commands by step: PREDEPLOYMENT, DEPLOYMENT, POST.\n"
     "\n"
     "A file of --from is a list of objects such as {\"step\": \"POST\", \"argv\": [\"purge\", \"--all\"], \"timeout_s\": 60,\n"
     "\"retries\": 2, \"continue_on_failure\": true}, with `shell` instead of `argv` for a line of a shell.\n"
     "\n"
     "--wait shows step, command, time and the last lines of output on a terminal, and lines elsewhere. With --json it\n"
     "prints one object per line, each with a `kind`: plan, state, command, output (bytes in base64), outcome. Ctrl-C\n"
     "leaves the deployment running. The exit status is then that of its outcome:\n"
     "   0  it is DONE\n"
     "   2  it is FAILED (UNKNOWN)\n"
     "  10  it was ABORTED\n"
     "   1  interrupted: it goes on (CANCELLED)\n",
     "# what would happen?\n"
     "sitewire deploy almanac --env dev --version 2.4.0 --run 'bin/unpack 2.4.0' --dry-run\n"
     "# do it, and watch\n"
     "sitewire deploy almanac --env dev --version 2.4.0 --run 'PREDEPLOYMENT: bin/backup' --run 'bin/unpack 2.4.0' --wait\n"
     "# without a shell in between, and again if its runner is lost\n"
     "sitewire deploy website:almanac --env dev --version 2.4.0 --argv '[\"bin/unpack\", \"2.4.0\"]' --on-lost-lease retry\n"
     "# of a CI job, which may be run again\n"
     "sitewire deploy almanac --env prod --version 2.4.0 --from deploy.json --request-id job-4711 --reason 'release 2.4' --wait --json\n",
     false},
    {"deployments", sw_cmd_deployments, "List deployments, the newest first.", "[FILTER]...", deployments_flags,
     "At most 50, unless --limit says otherwise. Filters are written as for `sitewire list`.\n",
     "# what I have asked for\n"
     "sitewire deployments --mine\n"
     "# what waits or runs on prod\n"
     "sitewire deployments --env prod --status requested,accepted,in-progress\n"
     "# what failed this year, for a program\n"
     "sitewire deployments --status failed 'requested_at >= 2026-01-01' --limit 1000 --json\n",
     false},
    {"deployment", sw_cmd_deployment, "Tell the whole story of a deployment.", "ID", NULL,
     "Who asked for it, when and why; who approved it; who ran it; each attempt at each command, how it ended and how\n"
     "long it took; what it replaced, and what was rolled back.\n",
     "# what happened?\n"
     "sitewire deployment 42\n"
     "# all of it, for a program\n"
     "sitewire deployment 42 --json\n",
     false},
    {"approve", sw_cmd_approve, "Approve a deployment to a protected environment.", "ID", approve_flags,
     "Whoever asked for a deployment cannot approve it. On a terminal the plan is shown, and what was shown is what is\n"
     "approved: if it changes meanwhile, the approval is void (ABORTED).\n",
     "# look at it, and decide\n"
     "sitewire approve 42\n"
     "# for a program that has read the plan\n"
     "sitewire approve 42 --plan-hash 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08\n",
     false},
    {"abort", sw_cmd_abort, "End a deployment, or take it out of the queue.", "ID", NULL,
     "One that runs is ended by its runner, which kills what it is executing.\n",
     "# stop it, and say why\n"
     "sitewire abort 42 --reason 'the wrong version'\n",
     false},
    {"rollback", sw_cmd_rollback, "Bring back the version that was there before a deployment.", "ID", rollback_flags,
     "Makes a deployment of the version that ID has replaced. Its commands are those of ID, unless others are given; they\n"
     "find the version in SITEWIRE_VERSION. Approval, queue, --wait and exit status are as for `sitewire deploy`.\n",
     "# what would it do?\n"
     "sitewire rollback 42 --dry-run\n"
     "# do it, and watch\n"
     "sitewire rollback 42 --reason 'broken search' --wait\n",
     false},
    {"logs", sw_cmd_logs, "Print what the commands of a deployment have written.", "ID", logs_flags,
     "Prints the bytes as they were written, stdout and stderr of all commands in the order in which they came. On a\n"
     "terminal escape sequences are left out, unless --raw is given. --json prints a line for each chunk, with its offset,\n"
     "command, attempt, stream and time, and its bytes in base64; --offset goes on behind the bytes that one has.\n"
     "\n"
     "--follow goes on until the deployment is over, whatever is restarted meanwhile.\n",
     "# all of it\n"
     "sitewire logs 42\n"
     "# as it is written\n"
     "sitewire logs 42 --follow\n"
     "# from the millionth byte on, of the second command\n"
     "sitewire logs 42 --offset 1000000 --command 2 > part.log\n",
     false},
    {"watch", sw_cmd_watch, "Show what happens to deployments, as it happens.", "", watch_flags,
     "Prints each event once and in the order of its project, whatever is lost on the way or restarted\n"
     "meanwhile, until Ctrl-C. PROJECT is website:CODE or drupaldocrootcore:CODE; a CODE alone is a website's.\n"
     "\n"
     "With --json each line has a cursor: `--after CURSOR` goes on behind that line. Otherwise the last one is\n"
     "shown at the end. Events of output tell where it is; `sitewire logs` reads it.\n",
     "# everything that I may see\n"
     "sitewire watch\n"
     "# states of two projects, for a program\n"
     "sitewire watch --project isover.fr --project drupaldocrootcore:main --kind state --json\n"
     "# all that ever happened, and what comes\n"
     "sitewire watch --after 0\n"
     "# what I have missed of one deployment since then\n"
     "sitewire watch --deployment 42 --after 1042:1050=website:isover.fr\n",
     false},
    {.name = NULL}};
// clang-format on
