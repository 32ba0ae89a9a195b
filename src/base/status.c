/* Names and texts of the status codes, from the one list in <sitewire/status.h>. */
#include <sitewire/status.h>
#include <string.h>

static const struct {
    const char *name, *text;
} codes[SW_CODE_COUNT] = {
#define ROW(name, number, text) [number] = {#name, text},
    SW_CODES(ROW)
#undef ROW
};

static size_t index_of(sw_code code)
{
    return (size_t)code < SW_CODE_COUNT ? (size_t)code : SW_UNKNOWN;
}

const char *sw_code_name(sw_code code)
{
    return codes[index_of(code)].name;
}

const char *sw_code_text(sw_code code)
{
    return codes[index_of(code)].text;
}

bool sw_code_from_name(const char *name, sw_code *code)
{
    for (size_t i = 0; name != NULL && i < SW_CODE_COUNT; i++)
        if (strcmp(codes[i].name, name) == 0) {
            *code = (sw_code)i;
            return true;
        }
    return false;
}
