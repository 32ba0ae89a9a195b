/* The table of the commands about deployments, and their flags. */
#include "cli/deploy/commands.h"
#include "cli/registry/flags.h"

/* Flags of deploy and rollback. */
// clang-format off
#define RUN_FLAGS                                                                                      \
    {"run", 'r', "'STEP: COMMAND'", "a shell command; may be repeated; the default STEP is DEPLOYMENT"}, \
    {"argv", 0, "'STEP: [\"A\",\"B\"]'", "a program and its arguments as a JSON list, without a shell"}, \
    {"from", 0, "FILE", "read the commands from a JSON file, - is stdin: a list of them"},             \
    {"on-lost-lease", 0, "fail|retry", "what to do if its runner is lost (default: fail)"},            \
    {"wait", 'w', NULL, "show it until it is over; the exit status is that of its outcome"},           \
    {"dry-run", 'n', NULL, "show the plan, but request nothing"},                                      \
    {"request-id", 0, "ID", "safe to repeat: the same id makes one deployment"}

static const sw_flag deploy_flags[] = {
    {"env", 'e', "ENVIRONMENT", "the environment to deploy to"},
    {"version", 'v', "VERSION", "the version to deploy"},
    {"docroot", 'd', "DOCROOT", "the docroot; only necessary if the project is on several"},
    {"type", 't', "TYPE", "WEBSITE, DRUPALDOCROOTCORE or CORE (default: the project's kind)"},
    RUN_FLAGS,
    {.name = NULL}};

static const sw_flag rollback_flags[] = {RUN_FLAGS, {.name = NULL}};

static const sw_flag deployments_flags[] = {
    {"project", 'p', "PROJECT", "of this project"},
    {"env", 'e', "ENVIRONMENT", "to this environment"},
    {"docroot", 'd', "DOCROOT", "on this docroot"},
    {"version", 'v', "VERSION", "of this version"},
    {"type", 't', "TYPE", "of this type: WEBSITE, DRUPALDOCROOTCORE or CORE"},
    {"status", 0, "A,B", "requested, accepted, in-progress, done, failed or aborted"},
    {"mine", 'm', NULL, "requested by you"},
    LIST_FLAGS,
    {.name = NULL}};

static const sw_flag approve_flags[] = {
    {"plan-hash", 0, "HASH", "approve the plan with this hash; ABORTED if the plan has changed"},
    {"yes", 'y', NULL, "approve the current plan without asking"},
    {.name = NULL}};

static const sw_flag logs_flags[] = {
    {"follow", 'f', NULL, "wait for further output until the deployment is over"},
    {"offset", 'o', "N", "start at byte N"},
    {"command", 'c', "N", "only the output of command N"},
    {"raw", 0, NULL, "print the bytes unchanged even on a terminal, whatever they do to it"},
    {"remove", 0, NULL, "remove the output of a deployment that is over, for good"},
    {.name = NULL}};

static const sw_flag watch_flags[] = {
    {"project", 'p', "PROJECT", "only this project; may be repeated (default: all that you may read)"},
    {"kind", 'k', "A,B", "only these kinds: state, command, log"},
    {"deployment", 0, "ID", "only this deployment"},
    {"after", 0, "CURSOR", "start after the event with this cursor; 0: with the first event of all"},
    {"limit", 'l', "N", "end after N events"},
    {.name = NULL}};

const sw_command sw_deploy_commands[] = {
    {"deploy", sw_cmd_deploy, "Request a version of a project on an environment, and watch it get there.",
     "PROJECT --env ENVIRONMENT --version VERSION", deploy_flags,
     "PROJECT is website:CODE or drupaldocrootcore:CODE, or a CODE that only one of them has.\n"
     "Prints the plan. On a protected environment somebody else must approve the deployment.\n"
     "Deployments to one docroot environment run one after the other. A runner\n"
     "(`sitewire-runner`) executes the commands step by step: PREDEPLOYMENT, DEPLOYMENT, POST.\n"
     "\n"
     "A file of --from contains a list of objects such as {\"step\": \"POST\", \"argv\": [\"purge\",\n"
     "\"--all\"], \"timeout_s\": 60, \"retries\": 2, \"continue_on_failure\": true}, with `shell`\n"
     "instead of `argv` for a shell command.\n"
     "\n"
     "On a terminal, --wait shows step, command, time and the last lines of output; elsewhere it\n"
     "prints lines. With --json it prints one object per line, each with a `kind`: plan, state,\n"
     "command, output (bytes in base64), outcome. Ctrl-C leaves the deployment running. With\n"
     "--wait the exit status is\n"
     "   0  it is DONE\n"
     "   2  it is FAILED (UNKNOWN)\n"
     "  10  it is ABORTED\n"
     "   1  interrupted: it continues (CANCELLED)\n",
     "# what would happen?\n"
     "sitewire deploy almanac --env dev --version 2.4.0 --run 'bin/unpack 2.4.0' --dry-run\n"
     "# do it, and watch\n"
     "sitewire deploy almanac --env dev --version 2.4.0 --run 'PREDEPLOYMENT: backup' --run unpack --wait\n"
     "# without a shell, and again if its runner is lost\n"
     "sitewire deploy website:almanac --env dev --version 2.4.0 --argv '[\"unpack\"]' --on-lost-lease retry\n"
     "# in a CI job, which may be repeated\n"
     "sitewire deploy almanac --env prod --version 2.4.0 --from plan.json --request-id job-4711 --json\n",
     false},
    {"deployments", sw_cmd_deployments, "List deployments, newest first.", "[FILTER]...", deployments_flags,
     "Lists at most 50 unless --limit says otherwise. Filters are written as for `sitewire list`.\n",
     "# what I have requested\n"
     "sitewire deployments --mine\n"
     "# what waits or runs on prod\n"
     "sitewire deployments --env prod --status requested,accepted,in-progress\n"
     "# what failed this year, for a program\n"
     "sitewire deployments --status failed 'requested_at >= 2026-01-01' --limit 1000 --json\n",
     false},
    {"deployment", sw_cmd_deployment, "Show everything about a deployment.", "ID", NULL,
     "Shows who requested it, when and why; who approved it; which runner executed it; each\n"
     "attempt at each command, how it ended and how long it took; what version it replaced, and\n"
     "whether it was rolled back.\n",
     "# what happened?\n"
     "sitewire deployment 42\n"
     "# all of it, for a program\n"
     "sitewire deployment 42 --json\n",
     false},
    {"approve", sw_cmd_approve, "Approve a deployment to a protected environment.", "ID", approve_flags,
     "The requester of a deployment cannot approve it. On a terminal, shows the plan and asks;\n"
     "the approval is for that plan. If the plan changes meanwhile, the approval has no effect\n"
     "(ABORTED).\n",
     "# look at it, and decide\n"
     "sitewire approve 42\n"
     "# for a program that has read the plan\n"
     "sitewire approve 42 --plan-hash 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08\n",
     false},
    {"abort", sw_cmd_abort, "End a deployment, or remove it from the queue.", "ID", NULL,
     "If it is running, its runner kills the current command and ends it.\n",
     "# stop it, and say why\n"
     "sitewire abort 42 --reason 'the wrong version'\n",
     false},
    {"rollback", sw_cmd_rollback, "Deploy the version that a deployment replaced.", "ID", rollback_flags,
     "Requests a deployment of the version that deployment ID replaced. Its commands are those\n"
     "of ID unless others are given; they find the version in SITEWIRE_VERSION. Approval, queue,\n"
     "--wait and exit status are as for `sitewire deploy`.\n",
     "# what would it do?\n"
     "sitewire rollback 42 --dry-run\n"
     "# do it, and watch\n"
     "sitewire rollback 42 --reason 'broken search' --wait\n",
     false},
    {"logs", sw_cmd_logs, "Print the output of a deployment's commands.", "ID", logs_flags,
     "Prints stdout and stderr of all commands in the order in which they were written. On a\n"
     "terminal, escape sequences are removed unless --raw is given. --json prints one object per\n"
     "chunk, with its offset, command, attempt, stream, time and bytes (in base64); --offset\n"
     "continues after the bytes that you have. --follow survives restarts of every process.\n"
     "\n"
     "--remove is for those who manage the project. Results stay, and `sitewire deployment ID`\n"
     "says who removed the output, and when. The limits of output are in `sitewire get\n"
     "output-limit default`.\n",
     "# all of it\n"
     "sitewire logs 42\n"
     "# as it is written\n"
     "sitewire logs 42 --follow\n"
     "# the second command, from the millionth byte on\n"
     "sitewire logs 42 --offset 1000000 --command 2 > part.log\n"
     "# it printed a password\n"
     "sitewire logs 42 --remove --reason 'it showed a password'\n",
     false},
    {"watch", sw_cmd_watch, "Show what happens to deployments, as it happens.", "", watch_flags,
     "Prints each event once, in the order of its project, until Ctrl-C, whatever is lost or\n"
     "restarted meanwhile. PROJECT is website:CODE or drupaldocrootcore:CODE; a CODE alone is a\n"
     "website.\n"
     "\n"
     "With --json each line has a cursor; `--after CURSOR` continues after that line. Without\n"
     "--json the last cursor is printed at the end. Events about output say where it is;\n"
     "`sitewire logs` prints it.\n",
     "# everything that I may see\n"
     "sitewire watch\n"
     "# the states of two projects, for a program\n"
     "sitewire watch --project isover.fr --project drupaldocrootcore:main --kind state --json\n"
     "# everything that ever happened, and what follows\n"
     "sitewire watch --after 0\n"
     "# what I have missed of one deployment\n"
     "sitewire watch --deployment 42 --after 1042:1050=website:isover.fr\n",
     false},
    {.name = NULL}};
// clang-format on
