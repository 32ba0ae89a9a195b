/* Numbers for people: see number.h. */
#include "cli/term/number.h"
#include <math.h>
#include <stdio.h>

double sw_percentile_us(const uint64_t *buckets, size_t count, double share)
{
    double total = 0, seen = 0;
    for (size_t i = 0; i < count; i++)
        total += (double)buckets[i];
    double wanted = total * share;
    for (size_t i = 0; i < count && total > 0; i++) {
        double here = (double)buckets[i];
        if (here > 0 && seen + here >= wanted) {
            double low = i == 0 ? 0 : ldexp(1, (int)i - 1), high = ldexp(1, (int)i);
            return low + (high - low) * (wanted - seen) / here;
        }
        seen += here;
    }
    return 0;
}

char *sw_format_us(double us, char *text, size_t size)
{
    if (us <= 0)
        text[0] = '\0';
    else if (us < 1000)
        snprintf(text, size, "%.0f us", us);
    else if (us < 1e6)
        snprintf(text, size, us < 1e5 ? "%.1f ms" : "%.0f ms", us / 1e3);
    else
        snprintf(text, size, "%.1f s", us / 1e6);
    return text;
}

char *sw_format_bytes(uint64_t bytes, char *text, size_t size)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    double number = (double)bytes;
    size_t unit = 0;
    while (number >= 1024 && unit + 1 < sizeof(units) / sizeof(*units)) {
        number /= 1024;
        unit++;
    }
    snprintf(text, size, unit == 0 ? "%.0f %s" : "%.1f %s", number, units[unit]);
    return text;
}

char *sw_format_age(int64_t seconds, char *text, size_t size)
{
    long long s = seconds > 0 ? seconds : 0;
    if (s < 60)
        snprintf(text, size, "%llds", s);
    else if (s < 3600)
        snprintf(text, size, "%lldm", s / 60);
    else if (s < 86400)
        snprintf(text, size, "%lldh %lldm", s / 3600, s / 60 % 60);
    else
        snprintf(text, size, "%lldd %lldh", s / 86400, s / 3600 % 24);
    return text;
}

char *sw_format_rate(double rate, char *text, size_t size)
{
    snprintf(text, size, rate <= 0 ? "0" : rate < 1 ? "%.2f" : rate < 100 ? "%.1f" : "%.0f", rate);
    return text;
}
