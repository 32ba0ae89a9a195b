/* The text of a proof of possession (enrolment.h). */
#include "wire/enrolment.h"

#include <stdio.h>

size_t sw_enrolment_text(const char *public_key, const char *user, int64_t time_s,
                         char text[SW_ENROLMENT_TEXT])
{
    int size = snprintf(text, SW_ENROLMENT_TEXT, "sitewire enrolment 1\n%s\n%s\n%lld\n", public_key, user,
                        (long long)time_s);
    return size > 0 && size < SW_ENROLMENT_TEXT ? (size_t)size : 0;
}
