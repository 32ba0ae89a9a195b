/* Fields by name: see field.h. */
#include "cli/schema/field.h"
#include "base/error.h"
#include "base/nearest.h"
#include "cli/schema/name.h"
#include <stdio.h>
#include <string.h>

#define NAME_SIZE 96 /* no field has a longer name */

sw_code sw_field_find(const ProtobufCMessageDescriptor *message, const char *name, size_t length,
                      const ProtobufCFieldDescriptor **field, sw_error *error)
{
    char wanted[NAME_SIZE] = "", have[NAME_SIZE], text[NAME_SIZE];
    if (length < sizeof(text)) {
        snprintf(text, sizeof(text), "%.*s", (int)length, name);
        sw_plain_name(text, wanted, sizeof(wanted));
    }
    sw_nearest nearest;
    sw_nearest_init(&nearest, name, length);
    for (unsigned i = 0; i < message->n_fields; i++) {
        sw_plain_name(message->fields[i].name, have, sizeof(have));
        if (strcmp(wanted, have) == 0) {
            *field = &message->fields[i];
            return SW_OK;
        }
        sw_nearest_offer(&nearest, message->fields[i].name);
    }
    char hint[256], all[384] = "";
    sw_nearest_text(&nearest, "", hint, sizeof(hint));
    for (unsigned i = 0; hint[0] == '\0' && i < message->n_fields; i++) {
        size_t used = strlen(all);
        snprintf(all + used, sizeof(all) - used, "%s%s", used > 0 ? ", " : "; it has ",
                 message->fields[i].name);
    }
    return sw_fail(error, SW_INVALID_ARGUMENT, "%s has no field '%.*s'%s%s", sw_short_name(message->name),
                   (int)(length < 64 ? length : 64), name, hint, all);
}

bool sw_field_is_like(const ProtobufCMessageDescriptor *message, const char *name, size_t length)
{
    const ProtobufCFieldDescriptor *field;
    sw_error why = {0};
    sw_nearest nearest;
    sw_nearest_init(&nearest, name, length);
    for (unsigned i = 0; i < message->n_fields; i++)
        sw_nearest_offer(&nearest, message->fields[i].name);
    return nearest.count > 0 || sw_field_find(message, name, length, &field, &why) == SW_OK;
}
