/* Logging of `sitewire up` and its programs (up_config.h). The programs get our --config and our
 * flags, so each reads the file itself and SIGHUP works as if it ran alone. */
#include "cli/system/up_config.h"

#include "base/error.h"
#include "base/log.h"
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *level, *format, *file;

static const sw_option options[] = {
    {"log-level", 0, SW_OPTION_CHOICE, &level, "info", 0, 0, "error|warning|info|debug", "", SW_LIVE},
    {"log-format", 0, SW_OPTION_CHOICE, &format, "text", 0, 0, "text|json", "", SW_LIVE},
    {"config", 0, SW_OPTION_STRING, &file, NULL, 0, 0, "FILE", "", SW_RESTART},
    {0}};

/* Variables of options that `up` sets itself, or that would give its programs an identity of
 * somebody else. */
static const char *const decided[] = {
    "SITEWIRE_FRONTEND", "SITEWIRE_BACKEND",     "SITEWIRE_EVENTS",       "SITEWIRE_PUBLISH",
    "SITEWIRE_ENDPOINT", "SITEWIRE_INSTANCE",    "SITEWIRE_CURVE",        "SITEWIRE_KEY",
    "SITEWIRE_CALLER",   "SITEWIRE_LOCAL_USERS", "SITEWIRE_SERVICE_KEYS", "SITEWIRE_SECRET_KEY",
    "SITEWIRE_DATABASE", "SITEWIRE_NAME",        "SITEWIRE_DIRECTORY",    "SITEWIRE_USER",
};

static void open_log(void)
{
    sw_log_level parsed = SW_LOG_INFO;
    sw_log_level_parse(level, &parsed);
    sw_log_open("sitewire-up", parsed, strcmp(format, "json") == 0);
}

static void log_overridden(void *context, const char *variable, const char *line)
{
    (void)context;
    sw_log(SW_LOG_WARNING, "a variable overrides a line of the configuration file", "variable", variable,
           "line", line, NULL);
}

/* The given ones of our flags, as a command line of their own. */
static void take_flags(sw_up_config *config, const sw_args *args)
{
    static char names[3][16];
    config->argv[config->argc++] = names[0]; /* the program's name, which nobody reads */
    for (size_t i = 0; options[i].name != NULL; i++) {
        const char *value = sw_args_value(args, options[i].name);
        if (value == NULL)
            continue;
        snprintf(names[i], sizeof(names[i]), "--%s", options[i].name);
        config->argv[config->argc++] = names[i];
        config->argv[config->argc++] = (char *)(uintptr_t)value;
    }
}

sw_code sw_up_config_open(sw_up_config *config, const sw_args *args, sw_error *error)
{
    *config = (sw_up_config){0};
    take_flags(config, args);
    sw_code code = sw_configuration_read(options, config->argc, config->argv, &config->configuration, error);
    if (code != SW_OK)
        return code;
    sw_configuration_store(config->configuration);
    open_log();
    sw_configuration_overridden(config->configuration, log_overridden, NULL);
    for (size_t i = 0; i < sizeof(decided) / sizeof(*decided); i++)
        unsetenv(decided[i]);
    return SW_OK;
}

void sw_up_config_close(sw_up_config *config)
{
    sw_configuration_destroy(&config->configuration);
}

static bool is_changed(const char *before, const char *after)
{
    return before != NULL && after != NULL && strcmp(before, after) != 0;
}

void sw_up_config_reload(sw_up_config *config)
{
    sw_configuration *fresh = NULL;
    sw_error error;
    if (sw_configuration_reread(config->configuration, &fresh, &error) != SW_OK) {
        sw_log(SW_LOG_ERROR, "configuration rejected, the old one stays in force", "reason", error.message,
               NULL);
        return;
    }
    for (int i = 0; options[i].change == SW_LIVE; i++) {
        const char *before = sw_configuration_text(config->configuration, i),
                   *after = sw_configuration_text(fresh, i);
        if (!is_changed(before, after))
            continue;
        sw_log(SW_LOG_INFO, "option changed", "option", options[i].name, "before", before, "after", after,
               NULL);
        sw_configuration_adopt(config->configuration, fresh, i);
    }
    sw_configuration_destroy(&fresh);
    open_log();
    sw_log(SW_LOG_INFO, "configuration reloaded", NULL);
}

void sw_up_config_pass(const sw_up_config *config, const char **arguments, size_t capacity)
{
    size_t count = 0;
    while (arguments[count] != NULL)
        count++;
    for (int i = 1; i < config->argc && count + 1 < capacity; i++)
        arguments[count++] = config->argv[i];
    arguments[count] = NULL;
}
