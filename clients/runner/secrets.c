/* The file of secrets, and the mask, see secrets.h. */
#include "runner/secrets.h"

#include "base/error.h"
#include "base/private_file.h"
#include "program/env_file.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char mask[] = "***";

/* None that would change what the runner itself tells commands. */
static bool is_allowed(const char *name)
{
    return strncmp(name, "SITEWIRE_", 9) != 0 && strncmp(name, "LD_", 3) != 0 && strcmp(name, "PATH") != 0;
}

static sw_code add(sw_secrets *secrets, const char *path, int line, const char *name, const char *value,
                   sw_error *error)
{
    size_t size = strlen(value);
    if (!is_allowed(name))
        return sw_fail_field(error, SW_FAILED_PRECONDITION, "secrets",
                             "%s:%d: a secret cannot have the name %.64s, which the runner or the loader of "
                             "programs uses",
                             path, line, name);
    if (size < SW_SECRET_SIZE_MIN || size > SW_SECRET_SIZE_MAX)
        return sw_fail_field(error, SW_FAILED_PRECONDITION, "secrets",
                             "%s:%d: the value of %.64s has %zu bytes; only %d to %d bytes can be masked",
                             path, line, name, size, SW_SECRET_SIZE_MIN, SW_SECRET_SIZE_MAX);
    if (secrets->count == SW_SECRETS_MAX)
        return sw_fail_field(error, SW_FAILED_PRECONDITION, "secrets",
                             "%s:%d: there are more than %d secrets", path, line, SW_SECRETS_MAX);
    secrets->secrets[secrets->count++] = (sw_secret){name, value, size};
    secrets->begins[(uint8_t)*value] = true;
    return SW_OK;
}

static sw_code read_lines(sw_secrets *secrets, const char *path, sw_error *error)
{
    sw_env_file file;
    const char *name, *value;
    int line;
    sw_env_file_open(&file, path, secrets->text);
    for (;;) {
        sw_code code = sw_env_file_next(&file, &name, &value, &line, error);
        if (code == SW_OK && name != NULL)
            code = add(secrets, path, line, name, value, error);
        if (code != SW_OK || name == NULL)
            return code;
    }
}

sw_code sw_secrets_load(const char *path, sw_secrets **result, sw_error *error)
{
    *result = NULL;
    sw_secrets *secrets = calloc(1, sizeof(*secrets));
    if (secrets == NULL)
        return sw_fail(error, SW_RESOURCE_EXHAUSTED, "out of memory");
    sw_code code = SW_OK;
    if (path != NULL && *path != '\0')
        code = sw_private_file_read(path, secrets->text, sizeof(secrets->text), error);
    if (code == SW_OK)
        code = read_lines(secrets, path, error);
    if (code != SW_OK)
        sw_secrets_destroy(&secrets);
    if (code != SW_OK && error != NULL)
        snprintf(error->field, sizeof(error->field), "secrets");
    *result = secrets;
    return code;
}

void sw_secrets_destroy(sw_secrets **secrets)
{
    if (*secrets == NULL)
        return;
    explicit_bzero(*secrets, sizeof(**secrets));
    free(*secrets);
    *secrets = NULL;
}

/* The size of the longest value at `at`, 0 if there is none. *may_come: with more bytes a longer
 * value may be there. */
static size_t match(const sw_secrets *secrets, const uint8_t *at, size_t size, bool *may_come)
{
    size_t longest = 0;
    *may_come = false;
    if (!secrets->begins[*at])
        return 0;
    for (size_t i = 0; i < secrets->count; i++) {
        const sw_secret *secret = &secrets->secrets[i];
        size_t common = secret->size < size ? secret->size : size;
        if (memcmp(at, secret->value, common) != 0)
            continue;
        if (secret->size > size)
            *may_come = true;
        else if (secret->size > longest)
            longest = secret->size;
    }
    return longest;
}

size_t sw_secrets_mask(const sw_secrets *secrets, uint8_t *bytes, size_t size, bool end, size_t *held)
{
    *held = 0;
    if (secrets->count == 0)
        return size;
    size_t to = 0; /* never past `from`: a value is no shorter than the mask */
    for (size_t from = 0; from < size;) {
        bool may_come;
        size_t found = match(secrets, bytes + from, size - from, &may_come);
        if (may_come && !end) {
            *held = size - from;
            memmove(bytes + to, bytes + from, *held);
            break;
        }
        if (found == 0) {
            bytes[to++] = bytes[from++];
            continue;
        }
        memcpy(bytes + to, mask, sizeof(mask) - 1);
        to += sizeof(mask) - 1;
        from += found;
    }
    return to;
}
