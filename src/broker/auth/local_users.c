/* The options --local-users and --caller (local_users.h). */
#include "broker/auth/local_users.h"

#include "base/error.h"
#include "broker/auth/uid.h"
#include <string.h>

static sw_code read_one(sw_local_user *local, const char *text, size_t size, sw_error *error)
{
    size_t name = strcspn(text, "=");
    if (name + 1 >= size || size - name - 1 > SW_USER_MAX || text[name + 1] == '@' ||
        !sw_uid_read((sw_view){text, name}, &local->uid))
        return sw_fail(error, SW_INVALID_ARGUMENT,
                       "--local-users: expected UID=E-MAIL, comma-separated; UID is a uid, a user of this "
                       "machine, or * for any other, not `%.*s`",
                       (int)(size < 100 ? size : 100), text);
    memcpy(local->user, text + name + 1, size - name - 1);
    return SW_OK;
}

sw_code sw_local_users_read(sw_local_users *all, const char *caller, const char *text, sw_error *error)
{
    *all = (sw_local_users){.caller = sw_view_of(caller)};
    if (all->caller.size > 0 && caller[0] == '@')
        return sw_fail(error, SW_INVALID_ARGUMENT, "--caller: a user's name does not begin with @");
    while (text != NULL && *text != '\0') {
        size_t size = strcspn(text, ",");
        if (all->count == SW_LOCAL_USERS_MAX)
            return sw_fail(error, SW_INVALID_ARGUMENT, "--local-users: more than %d", SW_LOCAL_USERS_MAX);
        sw_code code = read_one(&all->items[all->count], text, size, error);
        if (code != SW_OK)
            return code;
        all->count++;
        text += size + (text[size] == ',');
    }
    return SW_OK;
}

sw_view sw_local_users_find(const sw_local_users *all, int64_t uid)
{
    const char *any = NULL;
    for (size_t i = 0; i < all->count && uid >= 0; i++) {
        if (all->items[i].uid == uid)
            return sw_view_of(all->items[i].user);
        if (all->items[i].uid < 0)
            any = all->items[i].user;
    }
    return sw_view_of(any);
}

sw_view sw_local_users_plain(const sw_local_users *all, int64_t uid)
{
    return all->caller.size > 0 ? all->caller : sw_local_users_find(all, uid);
}
