/* Folders and files in places where other users may have put links. Nothing here follows another
 * user's symbolic link, and a file that is made never writes into one that is there. Used by
 * `sitewire up`, `export` and `import --rejects`. Thread-safe, except SW_FOLDER_MAKE as root. */
#ifndef SW_BASE_FOLDER_H
#define SW_BASE_FOLDER_H

#include <limits.h>
#include <sitewire/status.h>
#include <stdio.h>
#include <sys/types.h>

/* An open folder. Names are looked up below its descriptor, so replacing its path has no effect. */
typedef struct sw_folder {
    int fd; /* O_PATH; -1: not open */
    uid_t owner;
    char path[PATH_MAX]; /* absolute, without links */
} sw_folder;

enum {
    /* Makes what is missing. With SW_FOLDER_TRUSTED: with mode 0755, and as the owner of the folder
     * above. */
    SW_FOLDER_MAKE = 1,
    /* Fails unless every part of the path belongs to root or to this process's user, and no other
     * user can write it. As root, the folder may belong to one other user, and so may those above
     * it. In a folder with the sticky bit, such as /tmp, others may write. */
    SW_FOLDER_TRUSTED = 2
};

/* Opens a folder. Links that belong to root or to this process's user are followed. NOT_FOUND,
 * PERMISSION_DENIED or FAILED_PRECONDITION, with the remedy. */
sw_code sw_folder_open(const char *path, int flags, sw_folder *folder, sw_error *error);

/* Opens the folder that a file is in or can be made in; `name` becomes the file's name there. Links
 * are followed as above; one that leads to a device or a pipe, such as /dev/stdout, stays a
 * name. */
sw_code sw_folder_of_file(const char *path, sw_folder *folder, char name[NAME_MAX + 1], sw_error *error);

void sw_folder_close(sw_folder *folder);

/* A new file for writing, in place of one of that name. NULL with errno. */
FILE *sw_folder_new_file(const sw_folder *folder, const char *name, mode_t mode);

/* The code for a failure to open or write a file: NOT_FOUND, PERMISSION_DENIED, else
 * FAILED_PRECONDITION. */
sw_code sw_file_code(int errno_value);

#endif
