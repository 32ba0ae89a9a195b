/* Filling in an sw_error. Used everywhere; <sitewire/status.h> declares the type. */
#ifndef SW_BASE_ERROR_H
#define SW_BASE_ERROR_H

#include <sitewire/status.h>

/* Sets *error (NULL allowed) to code and text, local, no field, and returns code: `return
 * sw_fail(...)`. */
sw_code sw_fail(sw_error *error, sw_code code, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* The same with the path of the field at fault. */
sw_code sw_fail_field(sw_error *error, sw_code code, const char *field, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* The analyzer sees one file at a time: this tells it that the code comes back. */
#ifdef __clang_analyzer__
#define sw_fail(error, code, ...) ((void)(sw_fail)(error, code, __VA_ARGS__), (code))
#define sw_fail_field(error, code, field, ...)                                                               \
    ((void)(sw_fail_field)(error, code, field, __VA_ARGS__), (code))
#endif

#endif
