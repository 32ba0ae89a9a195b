/* Texts of values in proto3 JSON, and fields by descriptor. See json_value.h. */
#include "c/json/json_value.h"

#include <stdio.h>
#include <string.h>

#define DAY           86400
#define TIMESTAMP_MIN (-62135596800) /* 0001-01-01T00:00:00Z */
#define TIMESTAMP_MAX 253402300799   /* 9999-12-31T23:59:59Z */
#define DURATION_MAX  315576000000   /* about 10 000 years: google/protobuf/duration.proto */
#define NANOS         1000000000

/* --- Dates --- */

/* Days since 1970-01-01 of a date of the proleptic Gregorian calendar, counted in years that begin in March.
 */
static int64_t days_of(int year, int month, int day)
{
    int64_t y = month > 2 ? year : year - 1, era = (y >= 0 ? y : y - 399) / 400, in_era = y - era * 400;
    int64_t in_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + in_era * 365 + in_era / 4 - in_era / 100 + in_year - 719468;
}

static void date_of(int64_t days, int *year, int *month, int *day)
{
    days += 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097, in_era = days - era * 146097;
    int64_t y = (in_era - in_era / 1460 + in_era / 36524 - in_era / 146096) / 365;
    int64_t in_year = in_era - (365 * y + y / 4 - y / 100), m = (5 * in_year + 2) / 153;
    *day = (int)(in_year - (153 * m + 2) / 5 + 1);
    *month = (int)(m < 10 ? m + 3 : m - 9);
    *year = (int)(y + era * 400 + (*month <= 2));
}

static bool take_digits(const char **at, int count, int least, int most, int *value)
{
    *value = 0;
    for (int i = 0; i < count; i++, (*at)++) {
        if (**at < '0' || **at > '9')
            return false;
        *value = *value * 10 + (**at - '0');
    }
    return *value >= least && *value <= most;
}

static bool take_char(const char **at, const char *any)
{
    if (**at == '\0' || strchr(any, **at) == NULL)
        return false;
    (*at)++;
    return true;
}

/* The digits behind a point, if there is one: 1 to 9. */
static bool take_fraction(const char **at, int32_t *nanos)
{
    *nanos = 0;
    if (**at != '.')
        return true;
    (*at)++;
    int count = 0;
    for (; **at >= '0' && **at <= '9' && count < 9; (*at)++, count++)
        *nanos = *nanos * 10 + (**at - '0');
    for (int i = count; i < 9; i++)
        *nanos *= 10;
    return count > 0;
}

bool sw_timestamp_parse(const char *text, int64_t *seconds, int32_t *nanos)
{
    static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int year, month, day, hour, minute, second, offset_hour = 0, offset_minute = 0;
    const char *at = text;
    if (!take_digits(&at, 4, 1, 9999, &year) || !take_char(&at, "-") || !take_digits(&at, 2, 1, 12, &month) ||
        !take_char(&at, "-") || !take_digits(&at, 2, 1, 31, &day) || !take_char(&at, "Tt ") ||
        !take_digits(&at, 2, 0, 23, &hour) || !take_char(&at, ":") || !take_digits(&at, 2, 0, 59, &minute) ||
        !take_char(&at, ":") || !take_digits(&at, 2, 0, 59, &second) || !take_fraction(&at, nanos))
        return false;
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    if (day > lengths[month - 1] + (month == 2 && leap))
        return false;
    int sign = *at == '-' ? 1 : -1; /* an offset ahead of UTC is subtracted */
    if (!take_char(&at, "Zz") && (!take_char(&at, "+-") || !take_digits(&at, 2, 0, 23, &offset_hour) ||
                                  !take_char(&at, ":") || !take_digits(&at, 2, 0, 59, &offset_minute)))
        return false;
    *seconds = days_of(year, month, day) * DAY + hour * 3600 + minute * 60 + second +
               sign * (offset_hour * 3600 + offset_minute * 60);
    return *at == '\0' && *seconds >= TIMESTAMP_MIN && *seconds <= TIMESTAMP_MAX;
}

/* `.5` as 3, 6 or 9 digits, or nothing. */
static void print_fraction(int32_t nanos, char *text, size_t size)
{
    if (nanos == 0)
        text[0] = '\0';
    else if (nanos % 1000000 == 0)
        snprintf(text, size, ".%03d", nanos / 1000000);
    else if (nanos % 1000 == 0)
        snprintf(text, size, ".%06d", nanos / 1000);
    else
        snprintf(text, size, ".%09d", nanos);
}

bool sw_timestamp_print(int64_t seconds, int32_t nanos, char text[SW_TIME_TEXT_SIZE])
{
    if (seconds < TIMESTAMP_MIN || seconds > TIMESTAMP_MAX || nanos < 0 || nanos >= NANOS)
        return false;
    int64_t days = seconds >= 0 ? seconds / DAY : (seconds - (DAY - 1)) / DAY, rest = seconds - days * DAY;
    int year, month, day;
    char fraction[16];
    date_of(days, &year, &month, &day);
    print_fraction(nanos, fraction, sizeof(fraction));
    unsigned of_day = (unsigned)rest; /* 0 to 86399: the compiler sees what the fields can be */
    snprintf(text, SW_TIME_TEXT_SIZE, "%04u-%02u-%02uT%02u:%02u:%02u%sZ", (unsigned)year % 10000,
             (unsigned)month % 100, (unsigned)day % 100, of_day / 3600 % 24, of_day / 60 % 60, of_day % 60,
             fraction);
    return true;
}

bool sw_duration_parse(const char *text, int64_t *seconds, int32_t *nanos)
{
    const char *at = text;
    bool negative = take_char(&at, "-");
    const char *digits = at;
    for (*seconds = 0; *at >= '0' && *at <= '9' && *seconds <= DURATION_MAX; at++)
        *seconds = *seconds * 10 + (*at - '0');
    if (at == digits || *seconds > DURATION_MAX || !take_fraction(&at, nanos) || strcmp(at, "s") != 0)
        return false;
    if (negative) {
        *seconds = -*seconds;
        *nanos = -*nanos;
    }
    return true;
}

bool sw_duration_print(int64_t seconds, int32_t nanos, char text[SW_TIME_TEXT_SIZE])
{
    bool negative = seconds < 0 || nanos < 0;
    if (seconds > DURATION_MAX || seconds < -DURATION_MAX || nanos <= -NANOS || nanos >= NANOS ||
        (seconds < 0 && nanos > 0) || (seconds > 0 && nanos < 0))
        return false;
    char fraction[16];
    print_fraction(nanos < 0 ? -nanos : nanos, fraction, sizeof(fraction));
    snprintf(text, SW_TIME_TEXT_SIZE, "%s%lld%ss", negative ? "-" : "",
             (long long)(seconds < 0 ? -seconds : seconds), fraction);
    return true;
}

/* --- Base64 (RFC 4648, sections 4 and 5) --- */

static int digit_of(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' || c == '-' ? 62 : c == '/' || c == '_' ? 63 : -1;
}

bool sw_base64_decode(const char *text, size_t size, uint8_t *to, size_t *length)
{
    uint32_t bits = 0;
    size_t have = 0;
    *length = 0;
    if (size % 4 == 0 && size > 0 && text[size - 1] == '=')
        size -= text[size - 2] == '=' ? 2 : 1;
    if (size % 4 == 1)
        return false;
    for (size_t i = 0; i < size; i++) {
        int digit = digit_of(text[i]);
        if (digit < 0)
            return false;
        bits = bits << 6 | (uint32_t)digit;
        have += 6;
        if (have >= 8) {
            have -= 8;
            to[(*length)++] = (uint8_t)(bits >> have);
        }
    }
    return (bits & ((1U << have) - 1)) == 0; /* bits left over must be zero: one text for one value */
}

void sw_base64_encode(const uint8_t *from, size_t size, char *text)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < size; i += 3) {
        size_t left = size - i;
        uint32_t bits = (uint32_t)from[i] << 16 | (left > 1 ? (uint32_t)from[i + 1] << 8 : 0) |
                        (left > 2 ? (uint32_t)from[i + 2] : 0);
        *text++ = digits[bits >> 18];
        *text++ = digits[bits >> 12 & 63];
        *text++ = '=';
        *text++ = '=';
        if (left > 1)
            text[-2] = digits[bits >> 6 & 63];
        if (left > 2)
            text[-1] = digits[bits & 63];
    }
    *text = '\0';
}

/* --- Names --- */

void sw_name_to_camel(const char *name, char *camel, size_t size)
{
    size_t length = 0;
    for (bool upper = false; *name != '\0' && length + 1 < size; name++) {
        if (*name == '_') {
            upper = true;
            continue;
        }
        camel[length++] = upper && *name >= 'a' && *name <= 'z' ? (char)(*name - 'a' + 'A') : *name;
        upper = false;
    }
    camel[length] = '\0';
}

size_t sw_name_to_snake(const char *name, size_t length, char *snake, size_t size)
{
    size_t out = 0;
    for (size_t i = 0; i < length; i++) {
        bool upper = name[i] >= 'A' && name[i] <= 'Z';
        if (upper && out++ < size)
            snake[out - 1] = '_';
        if (out++ < size)
            snake[out - 1] = upper ? (char)(name[i] - 'A' + 'a') : name[i];
    }
    return out;
}

/* --- Fields --- */

void *sw_field_at(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
    return (char *)(uintptr_t)message + field->offset;
}

static void *quantifier(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
    return (char *)(uintptr_t)message + field->quantifier_offset;
}

size_t sw_field_size(const ProtobufCFieldDescriptor *field)
{
    switch (field->type) {
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_DOUBLE:
        return 8;
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_MESSAGE:
        return sizeof(void *);
    case PROTOBUF_C_TYPE_BYTES:
        return sizeof(ProtobufCBinaryData);
    case PROTOBUF_C_TYPE_BOOL:
        return sizeof(protobuf_c_boolean);
    default:
        return 4;
    }
}

static bool is_zero(const void *member, const ProtobufCFieldDescriptor *field)
{
    static const char zeros[sizeof(ProtobufCBinaryData)];
    if (field->type == PROTOBUF_C_TYPE_STRING) {
        const char *text = *(char *const *)member;
        return text == NULL || text[0] == '\0';
    }
    if (field->type == PROTOBUF_C_TYPE_BYTES)
        return ((const ProtobufCBinaryData *)member)->len == 0;
    return memcmp(member, zeros, sw_field_size(field)) == 0;
}

bool sw_field_present(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
    const void *member = sw_field_at(message, field);
    bool pointer = field->type == PROTOBUF_C_TYPE_STRING || field->type == PROTOBUF_C_TYPE_MESSAGE;
    if (field->label == PROTOBUF_C_LABEL_REPEATED)
        return *(const size_t *)quantifier(message, field) > 0;
    if ((field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0 &&
        *(const uint32_t *)quantifier(message, field) != field->id)
        return false;
    if (pointer && *(void *const *)member == NULL)
        return false;
    if ((field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0 || field->label == PROTOBUF_C_LABEL_REQUIRED)
        return true;
    if (field->label == PROTOBUF_C_LABEL_NONE)
        return !is_zero(member, field);
    return pointer ? *(void *const *)member != field->default_value
                   : *(const protobuf_c_boolean *)quantifier(message, field) != 0;
}

void sw_field_set_present(ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
    if ((field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0)
        *(uint32_t *)quantifier(message, field) = field->id;
    else if (field->label == PROTOBUF_C_LABEL_OPTIONAL && field->type != PROTOBUF_C_TYPE_STRING &&
             field->type != PROTOBUF_C_TYPE_MESSAGE)
        *(protobuf_c_boolean *)quantifier(message, field) = 1;
}
