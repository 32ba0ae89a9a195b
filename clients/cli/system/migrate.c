/* `sitewire migrate`: brings the schema of the database up to date, without any service. */
#include "store/pg/migrate.h"
#include "base/error.h"
#include "cli/system/commands.h"
#include "cli/system/database.h"
#include "cli/term/grid.h"

typedef struct report {
    const sw_cli *cli;
    sw_grid *table;
    size_t count, pending;
    bool dry_run;
} report;

/* Schema files have no version. */
static json_t *version_of(const sw_migration_state *state)
{
    return state->version ? json_integer(state->version) : json_null();
}

static void on_status(const sw_migration_state *state, void *context)
{
    report *r = context;
    r->count++;
    r->pending += !state->applied;
    if (r->cli->json) {
        json_t *line = json_pack("{s:o,s:s,s:b,s:s}", "version", version_of(state), "name", state->name,
                                 "applied", state->applied, "applied_at", state->applied_at);
        json_dumpf(line, stdout, JSON_COMPACT);
        putchar('\n');
        json_decref(line);
        return;
    }
    if (state->version)
        sw_grid_addf(r->table, "%d", state->version);
    else
        sw_grid_add(r->table, "");
    sw_grid_add(r->table, state->name);
    sw_grid_add(r->table, state->applied ? state->applied_at : "pending");
}

static void on_applied(const sw_migration_state *state, void *context)
{
    report *r = context;
    if (state->waits_for) {
        fprintf(stderr, "waiting for %s\n", state->waits_for);
        return;
    }
    if (state->notice) {
        fprintf(stderr, "notice: %s\n", state->notice);
        return;
    }
    r->count++;
    if (r->cli->json) {
        json_t *line = json_pack("{s:o,s:s,s:b}", "version", version_of(state), "name", state->name,
                                 "dry_run", r->dry_run);
        json_dumpf(line, stdout, JSON_COMPACT);
        putchar('\n');
        json_decref(line);
    } else {
        printf("%s %s\n", r->dry_run ? "would apply" : "applied", state->name);
    }
    fflush(stdout);
}

sw_code sw_cmd_migrate(sw_cli *cli, sw_error *error)
{
    const char *conninfo = sw_database_conninfo(cli);
    if (cli->args.word_count > 0)
        return sw_cli_usage(cli, error, "migrate takes flags only, not '%s'", cli->args.words[0]);
    report r = {.cli = cli, .dry_run = sw_args_has(&cli->args, "dry-run")};
    if (!sw_args_has(&cli->args, "status")) {
        sw_code code = sw_migrate_apply(conninfo, r.dry_run, on_applied, &r, error);
        if (code == SW_OK && r.count == 0 && !cli->json)
            printf("the schema is already at version %d\n", sw_migrate_latest());
        return sw_database_outcome(code, error);
    }
    static const sw_grid_column columns[] = {
        {"version", true, true}, {"name", false, true}, {"applied at", false, true}};
    r.table = sw_grid_new(columns, 3);
    if (r.table == NULL)
        return sw_fail(error, SW_RESOURCE_EXHAUSTED, "out of memory");
    sw_code code = sw_migrate_status(conninfo, on_status, &r, error);
    if (code == SW_OK && !cli->json) {
        sw_grid_print(r.table, stdout, sw_terminal_width(cli->out_terminal), cli->out_color, NULL);
        if (r.pending > 0)
            printf("%zu pending: `sitewire migrate` applies %s\n", r.pending, r.pending == 1 ? "it" : "them");
    }
    sw_grid_destroy(&r.table);
    return sw_database_outcome(code, error);
}
