/* Times and durations: what is read prints as something that reads as the same. */
#include "base/time_text.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char text[64], printed[SW_TIME_TEXT_SIZE];
    int64_t seconds, again;
    int32_t nanos, nanos_again;
    size = size < sizeof(text) ? size : sizeof(text) - 1;
    memcpy(text, data, size);
    text[size] = '\0';
    if (sw_timestamp_parse(text, &seconds, &nanos) &&
        (!sw_timestamp_print(seconds, nanos, printed) || !sw_timestamp_parse(printed, &again, &nanos_again) ||
         again != seconds || nanos_again != nanos))
        abort();
    if (sw_duration_parse(text, &seconds, &nanos) &&
        (!sw_duration_print(seconds, nanos, printed) || !sw_duration_parse(printed, &again, &nanos_again) ||
         again != seconds || nanos_again != nanos))
        abort();
    if (sw_date_parse(text, &seconds) && seconds % 86400 != 0)
        abort();
    return 0;
}
