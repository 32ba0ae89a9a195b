/* Events and lists of them as a broker or a service may send them, and cursors as anybody may store
 * them: never read beyond the input, and what is taken for text is UTF-8. */
#include "base/utf8.h"
#include "c/watch/event.h"
#include "c/watch/sequence.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(sw_view text)
{
    if (text.size > 0 && !sw_utf8_valid(text.data, text.size))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    sw_view rest = {(const char *)data, size}, item;
    sw_event_view event;
    sw_event_decode(rest, &event);
    while (sw_event_next(&rest, &item))
        if (sw_event_decode(item, &event)) {
            check(event.project);
            check(event.kind);
            check(event.payload);
        }
    char *text = strndup((const char *)data, size);
    sw_sequence sequence = {0}, again = {0};
    if (text != NULL && sw_sequence_read(&sequence, text)) {
        char *written = sw_sequence_write(&sequence);
        if (written == NULL || !sw_sequence_read(&again, written) || again.base != sequence.base)
            abort();
        free(written);
    }
    sw_sequence_clear(&sequence);
    sw_sequence_clear(&again);
    free(text);
    return 0;
}
