/* Plans of deployments as text: see plan.h. */
#include "cli/deploy/plan.h"
#include "cli/deploy/event_text.h"
#include "cli/schema/output.h"
#include "cli/schema/value.h"
#include "cli/term/grid.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define NAME_WIDTH 11 /* columns for the names of facts */

/* Writes an argument as one would type it in a shell. */
static void write_quoted(FILE *out, const char *text)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-./:=@%+,";
    if (*text != '\0' && text[strspn(text, plain)] == '\0') {
        fputs(text, out);
        return;
    }
    fputc('\'', out);
    for (; *text != '\0'; text++)
        fputs(*text == '\'' ? "'\\''" : (const char[]){*text, '\0'}, out);
    fputc('\'', out);
}

/* Closes a stream in memory and returns its text made safe; frees the original. */
static char *finish_text(FILE *out, char **text)
{
    char *safe = fclose(out) == 0 ? sw_text_safe(*text, false) : NULL;
    free(*text);
    return safe;
}

char *sw_command_text(const json_t *command)
{
    char *text = NULL;
    size_t size, index;
    json_t *word;
    FILE *out = open_memstream(&text, &size);
    if (out == NULL)
        return NULL;
    if (*sw_json_text(command, "shell") != '\0')
        fprintf(out, "sh: %s", sw_json_text(command, "shell"));
    json_array_foreach(json_object_get(command, "argv"), index, word)
    {
        fputs(index > 0 ? " " : "", out);
        write_quoted(out, json_string_value(word) != NULL ? json_string_value(word) : "");
    }
    return finish_text(out, &text);
}

char *sw_target_text(const json_t *deployment)
{
    char *text = NULL;
    size_t size;
    const char *type = sw_json_text(deployment, "type");
    FILE *out = open_memstream(&text, &size);
    if (out == NULL)
        return NULL;
    fprintf(out, "%s%s, version %s on %s/%s", sw_json_text(deployment, "project"),
            strcmp(type, "CORE") == 0 ? ", its CMS" : "", sw_json_text(deployment, "version"),
            sw_json_text(deployment, "docroot"), sw_json_text(deployment, "environment"));
    return finish_text(out, &text);
}

void sw_print_fact(const sw_cli *cli, const char *name, const char *text)
{
    char *safe = text != NULL ? sw_text_safe(text, true) : NULL;
    for (const char *p = safe; p != NULL && *p != '\0';) {
        size_t length = strcspn(p, "\n");
        printf("%s%-*s%s  %.*s\n", cli->out_color && p == safe ? "\033[1m" : "", NAME_WIDTH,
               p == safe ? name : "", cli->out_color && p == safe ? "\033[0m" : "", (int)length, p);
        p += length + (p[length] == '\n');
    }
    free(safe);
}

void sw_deployment_plan_print_commands(const sw_cli *cli, const json_t *commands)
{
    static const sw_grid_column columns[] = {{"#", true, true},         {"step", false, true},
                                             {"timeout", true, true},   {"retries", true, true},
                                             {"may fail", false, true}, {"command", false, true}};
    sw_grid *grid = sw_grid_new(columns, 6);
    size_t index;
    json_t *command;
    if (grid == NULL)
        return;
    json_array_foreach(commands, index, command)
    {
        char *text = sw_command_text(command);
        sw_grid_addf(grid, "%" PRIu64, sw_json_number(command, "number"));
        sw_grid_add(grid, sw_json_text(command, "step"));
        sw_grid_addf(grid, "%" PRIu64 " s", sw_json_number(command, "timeout_s"));
        sw_grid_addf(grid, "%" PRIu64, sw_json_number(command, "retries"));
        sw_grid_add(grid, json_is_true(json_object_get(command, "continue_on_failure")) ? "yes" : "no");
        sw_grid_add(grid, text != NULL ? text : "");
        free(text);
    }
    if (sw_grid_rows(grid) > 0) {
        putchar('\n');
        sw_grid_print(grid, stdout, 0, cli->out_color, NULL);
    } else {
        sw_print_fact(cli, "commands", "none: only the version in the registry changes");
    }
    sw_grid_destroy(&grid);
}

static const char *fact_value(const json_t *plan, const char *name)
{
    size_t index;
    json_t *fact;
    json_array_foreach(json_object_get(plan, "facts"), index,
                       fact) if (strcmp(sw_json_text(fact, "name"), name) == 0) return sw_json_text(fact,
                                                                                                    "value");
    return "";
}

static void print_facts(const json_t *plan)
{
    size_t index;
    json_t *fact;
    const json_t *facts = json_object_get(plan, "facts");
    if (json_array_size(facts) > 0)
        puts("\nin the environment of its commands:");
    json_array_foreach(facts, index, fact)
    {
        fputs("  ", stdout);
        sw_print_safe(sw_json_text(fact, "name"));
        putchar('=');
        sw_print_safe(sw_json_text(fact, "value"));
        putchar('\n');
    }
}

/* Whose approval is needed. */
static void print_need(const sw_cli *cli, uint64_t needed)
{
    char *text = NULL;
    if (needed > 1 &&
        asprintf(&text, "needed, by %" PRIu64 " others who may approve on the project", needed) < 0)
        text = NULL;
    sw_print_fact(cli, "approval",
                  text != NULL ? text : "needed, by somebody else who may approve on the project");
    free(text);
}

void sw_deployment_plan_print_approvals(const sw_cli *cli, const json_t *plan)
{
    size_t index;
    json_t *approval, *obstacle;
    const json_t *approvals = json_object_get(plan, "approvals");
    bool waits = json_is_true(json_object_get(plan, "needs_approval"));
    if (waits)
        print_need(cli, sw_json_number(plan, "approvals_needed"));
    /* Of an accepted deployment, the last one is among the other times. */
    json_array_foreach(waits || json_array_size(approvals) > 1 ? approvals : NULL, index, approval)
    {
        char at[SW_TIME_TEXT_SIZE], *text = NULL;
        sw_event_time(at, sw_json_time_us(approval, "approved_at"));
        if (asprintf(&text, "%s by %s", at, sw_json_text(approval, "approver")) >= 0)
            sw_print_fact(cli, "approved", text);
        free(text);
    }
    json_array_foreach(json_object_get(plan, "obstacles"), index, obstacle)
        sw_print_fact(cli, "obstacle", json_string_value(obstacle));
}

/* Prints what must happen before it runs. */
static void print_conditions(const sw_cli *cli, const json_t *plan)
{
    char *behind = sw_cell_text(json_object_get(plan, "behind")), *text = NULL;
    char *rights = sw_cell_text(json_object_get(plan, "rights_used"));
    bool waits = behind != NULL && *behind != '\0';
    if (sw_json_number(plan, "approvals_needed") == 0)
        sw_print_fact(cli, "approval", "not needed");
    sw_deployment_plan_print_approvals(cli, plan);
    if (asprintf(&text, "%s%s", waits ? "behind " : "first", waits ? behind : "") < 0)
        text = NULL;
    sw_print_fact(cli, "queue", text);
    sw_print_fact(cli, "rights used", rights);
    free(text);
    free(rights);
    free(behind);
}

/* Prints the rows of the registry that the plan depends on, one per line. */
static void print_target(const json_t *plan)
{
    json_t *target = json_loads(sw_json_text(plan, "target"), JSON_DECODE_ANY, NULL), *row;
    const char *name;
    if (json_object_size(target) > 0)
        puts("\nthe registry's rows about the target:");
    json_object_foreach(target, name, row)
    {
        char *text = json_dumps(row, JSON_COMPACT | JSON_ENCODE_ANY);
        fputs("  ", stdout);
        sw_print_safe(name);
        fputs(": ", stdout);
        sw_print_safe(text != NULL ? text : "");
        putchar('\n');
        free(text);
    }
    json_decref(target);
}

void sw_deployment_plan_print(const sw_cli *cli, const json_t *plan, bool whole)
{
    const json_t *deployment = json_object_get(plan, "deployment");
    uint64_t id = sw_json_number(deployment, "id");
    const char *before = fact_value(plan, "SITEWIRE_PREVIOUS_VERSION");
    char number[80], *target = sw_target_text(deployment);
    if (id > 0)
        snprintf(number, sizeof(number), "%" PRIu64 " is %.40s", id, sw_json_text(deployment, "status"));
    else
        snprintf(number, sizeof(number), "none: a dry run");
    sw_print_fact(cli, "deployment", number);
    sw_print_fact(cli, "target", target);
    sw_print_fact(cli, "type", sw_json_text(deployment, "type"));
    sw_print_fact(cli, "replaces", *before != '\0' ? before : "nothing: it is the first version there");
    sw_print_fact(cli, "requester", sw_json_text(deployment, "requester"));
    sw_print_fact(cli, "reason", sw_json_text(deployment, "reason"));
    print_conditions(cli, plan);
    sw_print_fact(cli, "plan hash", sw_json_text(plan, "plan_hash"));
    sw_deployment_plan_print_commands(cli, json_object_get(plan, "commands"));
    if (whole) {
        print_facts(plan);
        print_target(plan);
    }
    free(target);
}
