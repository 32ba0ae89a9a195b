/* Refusals on their way into the database (refusal_book.h). */
#include "base/refusal_book.h"

#include "base/utf8.h"
#include <string.h>

/* Ends at a NUL. */
static void copy(char *to, size_t room, sw_view text)
{
    size_t size = text.size < room ? text.size : sw_utf8_cut(text.data, text.size, room - 1);
    if (size > 0)
        memcpy(to, text.data, size);
    to[size] = '\0';
    if (sw_utf8_valid(to, strlen(to)))
        return;
    for (char *at = to; *at != '\0'; at++)
        if ((unsigned char)*at >= 0x80)
            *at = '?';
}

static bool is_same(const sw_refusal_entry *one, const sw_refusal_entry *other)
{
    return one->code == other->code && strcmp(one->caller, other->caller) == 0 &&
           strcmp(one->key, other->key) == 0 && strcmp(one->address, other->address) == 0 &&
           strcmp(one->method, other->method) == 0 && strcmp(one->reason, other->reason) == 0;
}

void sw_refusal_book_note(sw_refusal_book *book, const sw_refusal_note *note)
{
    int64_t count = note->count > 0 ? note->count : 1;
    sw_refusal_entry fresh = {.code = note->code, .count = count};
    copy(fresh.caller, sizeof(fresh.caller), note->caller);
    copy(fresh.key, sizeof(fresh.key), note->key);
    copy(fresh.address, sizeof(fresh.address), note->address);
    copy(fresh.method, sizeof(fresh.method), note->method);
    copy(fresh.reason, sizeof(fresh.reason), note->reason);
    book->total += (uint64_t)count;
    for (size_t i = 0; i < book->count && i < SW_REFUSALS_MAX; i++)
        if (is_same(&book->items[i], &fresh)) {
            book->items[i].count += count;
            return;
        }
    if (book->count < SW_REFUSALS_MAX)
        book->items[book->count++] = fresh;
    else if (book->count == SW_REFUSALS_MAX)
        book->items[book->count++] = (sw_refusal_entry){
            .code = SW_PERMISSION_DENIED, .count = count, .reason = "further refusals in the same second"};
    else
        book->items[SW_REFUSALS_MAX].count += count;
}
