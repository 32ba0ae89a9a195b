/* Which services a worker may offer: lists of names, uids, and certificates. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "broker/auth/offers.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define KEY   "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID"
#define OTHER "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7"

static bool covers(const char *names, const char *service)
{
    return sw_names_cover(sw_view_of(names), sw_view_of(service));
}

static void test_names(void **state)
{
    (void)state;
    assert_true(covers("sitewire.user.v1.Users", "sitewire.user.v1.Users"));
    assert_true(covers("a.B  c.D,e.F", "e.F"));
    assert_false(covers("a.B", "a.BC"));
    assert_false(covers("a.BC", "a.B"));
    assert_false(covers("", "a.B"));
    assert_true(covers("sitewire.*", "sitewire.user.v1.Users"));
    assert_true(covers("a.*", "a.b.C"));
    assert_false(covers("a.*", "ab.C"));
    assert_false(covers("a.*", "a"));
    assert_true(covers("*", "a.B"));
    assert_false(covers("*", "sitewire.user.v1.Users"));
    assert_true(covers("*", "sitewired.X"));
    assert_true(covers("*,sitewire.user.*", "sitewire.user.v1.Users"));
}

static bool is_good(const char *text)
{
    sw_error error = {0};
    sw_offers offers = {0};
    sw_code code = sw_offers_read(&offers, text, &error);
    sw_offers_clear(&offers);
    if (code != SW_OK)
        assert_non_null(strstr(error.message, "--local-services"));
    return code == SW_OK;
}

static void test_option(void **state)
{
    (void)state;
    static const char *const wrong[] = {"a.B",      "x=a.B",   "-1=a.B",     "4294967296=a.B",
                                        "1000=",    "1000=a*", "1000=a.*.b", "=a.B",
                                        "1000=a=b", "1000=*b", "1 =a.B",     "+1=a.B"};
    assert_true(is_good(NULL));
    assert_true(is_good(""));
    assert_true(is_good("1000=a.B,c.*,*,1001=sitewire.*,*=x.Y"));
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
        assert_false(is_good(wrong[i]));
}

static bool uid_may(const char *list, int64_t uid, const char *service)
{
    sw_offers offers = {0};
    const sw_caller worker = {.uid = uid};
    sw_error error = {0};
    assert_int_equal(sw_offers_read(&offers, list, &error), SW_OK);
    sw_code code = sw_offers_judge(&offers, &worker, sw_view_of(service), &error);
    sw_offers_clear(&offers);
    if (code != SW_OK) {
        assert_int_equal(code, SW_PERMISSION_DENIED);
        assert_non_null(strstr(error.message, "--local-services"));
    }
    return code == SW_OK;
}

static void test_uids(void **state)
{
    (void)state;
    static const char list[] = "1000=a.B,c.D,1001=e.F,*=g.H";
    assert_true(uid_may(list, 1000, "a.B"));
    assert_true(uid_may(list, 1000, "c.D"));
    assert_false(uid_may(list, 1000, "e.F"));
    assert_false(uid_may(list, 1000, "g.H")); /* named itself, so * is not for it */
    assert_true(uid_may(list, 1001, "e.F"));
    assert_true(uid_may(list, 7, "g.H"));
    assert_false(uid_may(list, 7, "a.B"));
    assert_true(uid_may(list, -1, "g.H"));
    assert_false(uid_may("1000=a.B", -1, "a.B"));
    assert_false(uid_may(NULL, 1000, "a.B"));
    assert_false(uid_may("", 0, "a.B"));
}

/* A user's name is as good as its uid. */
static void test_user_names(void **state)
{
    (void)state;
    assert_true(uid_may("root=a.B,nobody=c.D", 0, "a.B"));
    assert_false(uid_may("root=a.B,nobody=c.D", 0, "c.D"));
    assert_true(uid_may("root=a.B,*=c.D", 7, "c.D"));
    assert_false(is_good("no-such-user-here=a.B"));
    assert_false(is_good("roo=a.B"));
}

/* --- packages of events --- */

static bool covers_package(const char *names, const char *package)
{
    return sw_names_cover_package(sw_view_of(names), sw_view_of(package));
}

static void test_packages(void **state)
{
    (void)state;
    char longest[300];
    memset(longest, 'a', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    assert_true(covers_package("sitewire.deployment.v1.Deployments", "deployment"));
    assert_true(covers_package("a.B sitewire.deployment.*", "deployment"));
    assert_true(covers_package("sitewire.deployment.v1.*", "deployment"));
    assert_true(covers_package("sitewire.*", "deployment"));
    assert_true(covers_package("sitewire.deployment.v1.Deployments", "sitewire.deployment"));
    assert_false(covers_package("sitewire.user.v1.Users", "deployment"));
    assert_false(covers_package("sitewire.deployments.v1.X", "deployment"));
    assert_false(covers_package("sitewire.deployment", "deployment"));
    assert_false(covers_package("*", "deployment"));
    assert_false(covers_package("*", "sitewire.deployment"));
    assert_false(covers_package("deployment.v1.Deployments", "deployment")); /* a stranger's package */
    assert_false(covers_package("deployment.*", "deployment"));
    assert_true(covers_package("*", "acme.shop"));
    assert_true(covers_package("acme.*", "acme.shop"));
    assert_true(covers_package("acme.shop.v1.Orders", "acme.shop"));
    assert_false(covers_package("acme.shops.v1.Orders", "acme.shop"));
    assert_false(covers_package("acme.*", "acmes.shop"));
    assert_false(covers_package("*", ""));
    assert_false(covers_package("", "acme.shop"));
    assert_false(covers_package("*", longest));
}

static sw_code publishes(const sw_offers *offers, const sw_caller *publisher, const char *names)
{
    sw_error error = {0};
    sw_code code = sw_offers_judge_package(offers, publisher, names, SW_VIEW("deployment"), &error);
    assert_int_equal(code != SW_OK, strstr(error.message, "`deployment`") != NULL);
    return code;
}

static void test_publishers(void **state)
{
    (void)state;
    sw_offers offers = {0};
    const sw_caller key = {.is_curve = true, .is_network = true, .uid = -1}, local = {.uid = 0},
                    other = {.uid = 7}, plain = {.is_network = true, .uid = -1};
    assert_int_equal(sw_offers_read(&offers, "root=sitewire.*,*=*", NULL), SW_OK);
    assert_int_equal(publishes(&offers, &key, "sitewire.deployment.v1.Deployments"), SW_OK);
    assert_int_equal(publishes(&offers, &key, "sitewire.user.v1.Users"), SW_PERMISSION_DENIED);
    assert_int_equal(publishes(&offers, &local, ""), SW_OK);
    assert_int_equal(publishes(&offers, &other, "sitewire.*"), SW_PERMISSION_DENIED);
    assert_int_equal(publishes(&offers, &plain, ""), SW_OK); /* --curve off */
    sw_offers_clear(&offers);
}

/* --- certificates --- */

typedef struct {
    char folder[64], file[96];
    sw_offers offers;
} fixture;

static void write_certificate(const fixture *f, const char *services)
{
    FILE *file = fopen(f->file, "w");
    assert_non_null(file);
    fprintf(file, "metadata\n%s%s%s\ncurve\n    public-key = \"%s\"\n",
            services != NULL ? "    services = \"" : "", services != NULL ? services : "",
            services != NULL ? "\"" : "", KEY);
    assert_int_equal(fclose(file), 0);
    chmod(f->file, 0644);
}

static void open_folder(fixture *f)
{
    sw_error error = {0};
    *f = (fixture){.folder = "/tmp/offers.XXXXXX"};
    assert_non_null(mkdtemp(f->folder));
    snprintf(f->file, sizeof(f->file), "%s/one", f->folder);
    assert_int_equal(sw_cert_store_new(f->folder, &f->offers.keys, &error), SW_OK);
}

static void close_folder(fixture *f)
{
    sw_cert_store_destroy(&f->offers.keys);
    unlink(f->file);
    rmdir(f->folder);
}

static bool key_may(const fixture *f, const char *key, const char *service)
{
    sw_caller worker = {.is_curve = true, .is_network = true, .uid = -1};
    sw_error error = {0};
    snprintf(worker.key, sizeof(worker.key), "%s", key);
    sw_code code = sw_offers_judge(&f->offers, &worker, sw_view_of(service), &error);
    assert_true(code == SW_OK || error.message[0] != '\0');
    return code == SW_OK;
}

static void test_certificates(void **state)
{
    (void)state;
    fixture f;
    open_folder(&f);
    assert_false(key_may(&f, KEY, "a.B"));
    write_certificate(&f, NULL);
    assert_false(key_may(&f, KEY, "a.B"));
    write_certificate(&f, "a.B sitewire.user.v1.Users");
    assert_true(key_may(&f, KEY, "a.B"));
    assert_true(key_may(&f, KEY, "sitewire.user.v1.Users"));
    assert_false(key_may(&f, KEY, "sitewire.referential.v1.Referential"));
    assert_false(key_may(&f, OTHER, "a.B"));
    unlink(f.file);
    assert_false(key_may(&f, KEY, "a.B"));
    close_folder(&f);
}

static void test_without_certificates(void **state)
{
    (void)state;
    fixture f = {0};
    assert_int_equal(sw_offers_read(&f.offers, "*=*", NULL), SW_OK);
    assert_false(key_may(&f, KEY, "a.B"));
    sw_offers_clear(&f.offers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),        cmocka_unit_test(test_option),
        cmocka_unit_test(test_uids),         cmocka_unit_test(test_user_names),
        cmocka_unit_test(test_packages),     cmocka_unit_test(test_publishers),
        cmocka_unit_test(test_certificates), cmocka_unit_test(test_without_certificates),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
