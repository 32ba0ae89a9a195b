/* Folders and files where other users may have put something: whose links are followed, what is
 * trusted, and what a new file replaces. */
#include "base/folder.h"

#include "base/error.h"
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define STRANGER 4711

static char root[PATH_MAX];

static const char *in(const char *name)
{
    static char paths[4][PATH_MAX + 64];
    static unsigned next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof(paths[0]), "%s/%s", root, name);
    return path;
}

static int set_up(void **state)
{
    (void)state;
    char folder[] = "/tmp/sw-folder-XXXXXX";
    umask(022);
    if (mkdtemp(folder) == NULL || realpath(folder, root) == NULL)
        return -1;
    return chmod(root, 0755) != 0 || mkdir(in("a"), 0755) != 0 ? -1 : 0;
}

static int tear_down(void **state)
{
    (void)state;
    char command[PATH_MAX + 16];
    snprintf(command, sizeof(command), "rm -rf '%s'", root);
    return chdir("/") == 0 ? system(command) : -1;
}

static void assert_refused(const char *path, int flags, const char *says)
{
    sw_folder folder;
    sw_error error = {0};
    assert_int_equal(sw_folder_open(path, flags, &folder, &error), SW_FAILED_PRECONDITION);
    assert_int_equal(folder.fd, -1);
    if (strstr(error.message, says) == NULL)
        fail_msg("%s", error.message);
}

static void assert_opens(const char *path, int flags, const char *leads_to)
{
    sw_folder folder;
    sw_error error = {0};
    if (sw_folder_open(path, flags, &folder, &error) != SW_OK)
        fail_msg("%s", error.message);
    assert_string_equal(folder.path, leads_to);
    sw_folder_close(&folder);
}

static void paths(void **state)
{
    (void)state;
    sw_folder folder;
    sw_error error;
    assert_opens(in("a/../a/./"), 0, in("a"));
    assert_opens("/..//", 0, "/");
    assert_int_equal(sw_folder_open(in("b/c"), 0, &folder, &error), SW_NOT_FOUND);
    assert_opens(in("b/c"), SW_FOLDER_MAKE | SW_FOLDER_TRUSTED, in("b/c"));
    assert_int_equal(chdir(root), 0);
    assert_opens("b", SW_FOLDER_TRUSTED, in("b"));
    assert_int_equal(sw_folder_open("", 0, &folder, &error), SW_INVALID_ARGUMENT);
    close(open(in("file"), O_CREAT | O_WRONLY, 0600));
    assert_refused(in("file"), 0, "Not a directory");
    char name[NAME_MAX + 8] = {0};
    memset(name, 'x', sizeof(name) - 1);
    assert_int_equal(sw_folder_open(in(name), SW_FOLDER_MAKE, &folder, &error), SW_INVALID_ARGUMENT);
}

static void own_links_are_followed(void **state)
{
    (void)state;
    assert_int_equal(symlink("a", in("near")), 0);
    assert_int_equal(symlink(in("a"), in("far")), 0);
    assert_int_equal(symlink("loop", in("loop")), 0);
    assert_opens(in("near"), SW_FOLDER_TRUSTED, in("a"));
    assert_opens(in("far"), SW_FOLDER_TRUSTED, in("a"));
    assert_refused(in("loop"), 0, "too many links");
}

static void links_of_others_are_not(void **state)
{
    (void)state;
    sw_folder folder;
    sw_error error;
    char name[NAME_MAX + 1];
    if (geteuid() != 0) {
        print_message("only root can give files to others\n");
        skip();
    }
    close(open(in("victim"), O_CREAT | O_WRONLY, 0600));
    assert_int_equal(symlink("a", in("theirs")), 0);
    assert_int_equal(symlink("victim", in("theirs.csv")), 0);
    assert_int_equal(lchown(in("theirs"), STRANGER, STRANGER), 0);
    assert_int_equal(lchown(in("theirs.csv"), STRANGER, STRANGER), 0);
    assert_refused(in("theirs"), 0, "symbolic link");
    assert_refused(in("theirs/x"), SW_FOLDER_MAKE, "4711");
    assert_int_equal(sw_folder_of_file(in("theirs.csv"), &folder, name, &error), SW_FAILED_PRECONDITION);
    assert_int_equal(sw_folder_of_file(in("theirs/x"), &folder, name, &error), SW_FAILED_PRECONDITION);
}

static void files(void **state)
{
    (void)state;
    sw_folder folder;
    sw_error error;
    char name[NAME_MAX + 1];
    close(open(in("real"), O_CREAT | O_WRONLY, 0600));
    assert_int_equal(symlink("../real", in("a/link")), 0);
    assert_int_equal(symlink("/dev/null", in("a/device")), 0);
    static const struct {
        const char *path, *folder, *name;
    } rows[] = {{"a/new", "a", "new"}, {"a/link", "", "real"}, {"a/device", "a", "device"}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        assert_int_equal(sw_folder_of_file(in(rows[i].path), &folder, name, &error), SW_OK);
        assert_string_equal(name, rows[i].name);
        assert_string_equal(folder.path, *rows[i].folder == '\0' ? root : in(rows[i].folder));
        sw_folder_close(&folder);
    }
    assert_int_equal(sw_folder_of_file(in("none/x"), &folder, name, &error), SW_NOT_FOUND);
    assert_int_equal(sw_folder_of_file("/", &folder, name, &error), SW_INVALID_ARGUMENT);
}

/* What is there under the name is replaced, not written: neither through a link nor into a file
 * that has a second name. */
static void new_file_replaces(void **state)
{
    (void)state;
    sw_folder folder;
    sw_error error;
    struct stat about;
    int fd = open(in("victim"), O_CREAT | O_WRONLY, 0600);
    assert_int_equal(write(fd, "precious", 8), 8);
    close(fd);
    assert_int_equal(symlink("../victim", in("a/x")), 0);
    assert_int_equal(link(in("victim"), in("a/y")), 0);
    assert_int_equal(sw_folder_open(in("a"), 0, &folder, &error), SW_OK);
    for (const char *name = "x"; name != NULL; name = *name == 'x' ? "y" : NULL) {
        FILE *file = sw_folder_new_file(&folder, name, 0600);
        assert_non_null(file);
        assert_true(fputs("new", file) >= 0 && fclose(file) == 0);
        assert_int_equal(fstatat(folder.fd, name, &about, AT_SYMLINK_NOFOLLOW), 0);
        assert_int_equal(about.st_size, 3);
    }
    assert_int_equal(stat(in("victim"), &about), 0);
    assert_int_equal(about.st_size, 8);
    assert_int_equal(mkdir(in("a/z"), 0700), 0);
    assert_null(sw_folder_new_file(&folder, "z", 0600));
    sw_folder_close(&folder);
}

static void trust(void **state)
{
    (void)state;
    assert_int_equal(mkdir(in("a/b"), 0755), 0);
    assert_opens(in("a/b"), SW_FOLDER_TRUSTED, in("a/b"));
    assert_int_equal(chmod(in("a"), 01777), 0); /* sticky: what is in it stays its owner's */
    assert_opens(in("a/b"), SW_FOLDER_TRUSTED, in("a/b"));
    assert_refused(in("a"), SW_FOLDER_TRUSTED, "other users can write");
    assert_int_equal(chmod(in("a"), 0757), 0);
    assert_refused(in("a/b"), SW_FOLDER_TRUSTED, "chmod go-w");
    assert_refused(in("a/c"), SW_FOLDER_TRUSTED | SW_FOLDER_MAKE, "chmod go-w");
    assert_opens(in("a/b"), 0, in("a/b"));
}

static void trust_of_root(void **state)
{
    (void)state;
    struct stat about;
    if (geteuid() != 0) {
        print_message("only root can give files to others\n");
        skip();
    }
    assert_int_equal(mkdir(in("a/b"), 0755), 0);
    assert_int_equal(mkdir(in("a/b/c"), 0755), 0);
    assert_int_equal(chown(in("a"), STRANGER, STRANGER), 0);
    assert_refused(in("a/b"), SW_FOLDER_TRUSTED, "belongs to root");
    assert_int_equal(chown(in("a/b"), STRANGER, STRANGER), 0);
    assert_opens(in("a/b"), SW_FOLDER_TRUSTED, in("a/b"));
    assert_opens(in("a/b/new"), SW_FOLDER_TRUSTED | SW_FOLDER_MAKE, in("a/b/new"));
    assert_int_equal(stat(in("a/b/new"), &about), 0);
    assert_int_equal(about.st_uid, STRANGER);
    assert_int_equal(geteuid(), 0);
    assert_int_equal(chmod(in("a"), 0775), 0); /* a group that is not theirs alone */
    assert_refused(in("a/b"), SW_FOLDER_TRUSTED, "other users can write");
    assert_int_equal(chmod(in("a"), 0755), 0);
    assert_int_equal(chown(in("a/b/c"), STRANGER + 1, STRANGER), 0);
    assert_refused(in("a/b/c"), SW_FOLDER_TRUSTED, "4712");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(paths, set_up, tear_down),
        cmocka_unit_test_setup_teardown(own_links_are_followed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(links_of_others_are_not, set_up, tear_down),
        cmocka_unit_test_setup_teardown(files, set_up, tear_down),
        cmocka_unit_test_setup_teardown(new_file_replaces, set_up, tear_down),
        cmocka_unit_test_setup_teardown(trust, set_up, tear_down),
        cmocka_unit_test_setup_teardown(trust_of_root, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
