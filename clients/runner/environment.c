/* Paths and variables, see environment.h. Nothing of the runner's own environment reaches a
 * command. */
#include "runner/environment.h"

#include "base/error.h"
#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* --- the directory --- */

/* A code may be `.` or `..`, which would lead to other folders. */
static bool is_folder(const char *code)
{
    return *code != '\0' && strcmp(code, ".") != 0 && strcmp(code, "..") != 0 && strchr(code, '/') == NULL;
}

sw_code sw_environment_directory(const char *directory, const char *docroot, const char *environment,
                                 char *path, size_t size, sw_error *error)
{
    static const char *const names[] = {"{docroot}", "{environment}"};
    const char *const values[] = {docroot, environment};
    size_t used = 0;
    for (const char *at = directory; *at != '\0';) {
        const char *piece = at;
        size_t length = 1, skip = 1;
        if (*at == '{') {
            size_t i = 0;
            while (i < 2 && strncmp(at, names[i], strlen(names[i])) != 0)
                i++;
            if (i == 2)
                return sw_fail_field(
                    error, SW_INVALID_ARGUMENT, "directory",
                    "--directory '%.200s': only {docroot} and {environment} may stand in braces", directory);
            if (!is_folder(values[i]))
                return sw_fail(error, SW_FAILED_PRECONDITION,
                               "the %.*s `%.128s` cannot be the name of a folder", (int)strlen(names[i]) - 2,
                               names[i] + 1, values[i]);
            piece = values[i];
            length = strlen(piece);
            skip = strlen(names[i]);
        }
        if (used + length >= size)
            return sw_fail(error, SW_FAILED_PRECONDITION, "the path of the directory is too long");
        memcpy(path + used, piece, length);
        used += length;
        at += skip;
    }
    path[used] = '\0';
    return SW_OK;
}

/* --- variables --- */

typedef struct list {
    char **items;
    size_t count, capacity;
    bool failed;
} list;

static void add(list *to, const char *name, const char *value)
{
    char *item;
    if (to->failed || to->count + 1 >= to->capacity || asprintf(&item, "%s=%s", name, value) < 0)
        to->failed = true;
    else
        to->items[to->count++] = item;
}

static void add_number(list *to, const char *name, int64_t value)
{
    char text[24];
    snprintf(text, sizeof(text), "%" PRId64, value);
    add(to, name, text);
}

static void add_account(list *to, const char *user)
{
    const struct passwd *account = *user == '\0' ? getpwuid(geteuid()) : getpwnam(user);
    if (account == NULL) /* the keeper reports it */
        return;
    add(to, "HOME", account->pw_dir);
    add(to, "USER", account->pw_name);
    add(to, "LOGNAME", account->pw_name);
}

char **sw_environment_new(const sw_settings *settings, const sw_secrets *secrets, const Sw__Claim *claim,
                          const Sw__DeploymentCommand *command, int32_t attempt)
{
    list all = {.capacity = claim->n_facts + secrets->count + 16};
    all.items = calloc(all.capacity, sizeof(*all.items));
    if (all.items == NULL)
        return NULL;
    add(&all, "PATH", settings->path);
    add_account(&all, settings->user);
    add(&all, "SHELL", "/bin/sh");
    add(&all, "LANG", "C.UTF-8");
    for (size_t i = 0; i < claim->n_facts; i++)
        if (claim->facts[i]->name != NULL && strncmp(claim->facts[i]->name, "SITEWIRE_", 9) == 0)
            add(&all, claim->facts[i]->name, claim->facts[i]->value == NULL ? "" : claim->facts[i]->value);
    add(&all, "SITEWIRE_STEP", command->step == NULL ? "" : command->step);
    add_number(&all, "SITEWIRE_COMMAND", command->number);
    add_number(&all, "SITEWIRE_ATTEMPT", attempt);
    add(&all, "SITEWIRE_RUNNER", settings->name);
    for (size_t i = 0; i < secrets->count; i++)
        add(&all, secrets->secrets[i].name, secrets->secrets[i].value);
    if (all.failed)
        sw_environment_free(&all.items);
    return all.items;
}

void sw_environment_free(char ***variables)
{
    if (*variables == NULL)
        return;
    for (char **each = *variables; *each != NULL; each++) {
        explicit_bzero(*each, strlen(*each)); /* secrets are among them */
        free(*each);
    }
    free(*variables);
    *variables = NULL;
}
