/* The header codecs: what decodes encodes again to what decodes to the same. */
#include "wire/header.h"
#include <stdlib.h>
#include <string.h>

static void call_header(const uint8_t *data, size_t size)
{
    static sw_call_header header, again;
    static uint8_t text[2 * SW_HEADER_MAX];
    if (!sw_call_header_decode(data, size, &header))
        return;
    sw_method_service(header.method);
    size_t length = sw_call_header_encode(&header, text, sizeof(text));
    if (length > sizeof(text) || length > SW_HEADER_MAX)
        return; /* varints that were shorter than ours */
    if (!sw_call_header_decode(text, length, &again) || again.call_id != header.call_id ||
        again.metadata_count != header.metadata_count || !sw_view_equal(again.method, header.method))
        abort();
}

static void handover(const uint8_t *data, size_t size)
{
    sw_handover handover, again;
    uint8_t text[2 * SW_HEADER_MAX];
    if (!sw_handover_decode(data, size, &handover))
        return;
    size_t length = sw_handover_encode(&handover, text, sizeof(text));
    if (length <= SW_HEADER_MAX &&
        (!sw_handover_decode(text, length, &again) || !sw_view_equal(again.caller, handover.caller)))
        abort();
}

static void reply_header(const uint8_t *data, size_t size)
{
    static sw_reply_header header, again;
    static uint8_t text[2 * SW_HEADER_MAX];
    if (!sw_reply_header_decode(data, size, &header))
        return;
    sw_error error;
    sw_error_from_reply_header(&header, &error);
    if (strlen(error.message) >= sizeof(error.message))
        abort();
    size_t length = sw_reply_header_encode(&header, text, sizeof(text));
    if (length > sizeof(text) || length > SW_HEADER_MAX)
        return;
    if (!sw_reply_header_decode(text, length, &again) || again.code != header.code ||
        again.detail_count != header.detail_count || again.trailer_count != header.trailer_count)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    call_header(data, size);
    handover(data, size);
    reply_header(data, size);
    return 0;
}
