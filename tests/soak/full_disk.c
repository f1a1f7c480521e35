/* A disk that is full, as a library for LD_PRELOAD: while the file that FULL_DISK names is there, the process's writes to
 * regular files fail with ENOSPC, from the write on whose number the file holds. Taking the file away makes room. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static atomic_long written;

static int is_full(int fd) {
    const char *path = getenv("FULL_DISK");
    int kept = errno;
    FILE *file = path ? fopen(path, "re") : NULL;
    if (file == NULL) {
        errno = kept;
        written = 0;
        return 0;
    }
    long from = 0;
    if (fscanf(file, "%ld", &from) != 1) from = 0;
    fclose(file);
    errno = kept;
    struct stat status;
    if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) return 0;
    return atomic_fetch_add(&written, 1) >= from;
}

#define NEXT(type, name, ...) ((type(*)(__VA_ARGS__))dlsym(RTLD_NEXT, #name))
#define REFUSE_IF_FULL(fd) if (is_full(fd)) { errno = ENOSPC; return -1; }

ssize_t write(int fd, const void *bytes, size_t count) {
    REFUSE_IF_FULL(fd)
    return NEXT(ssize_t, write, int, const void *, size_t)(fd, bytes, count);
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
    REFUSE_IF_FULL(fd)
    return NEXT(ssize_t, writev, int, const struct iovec *, int)(fd, parts, count);
}

ssize_t pwrite(int fd, const void *bytes, size_t count, off_t at) {
    REFUSE_IF_FULL(fd)
    return NEXT(ssize_t, pwrite, int, const void *, size_t, off_t)(fd, bytes, count, at);
}

ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t at) {
    REFUSE_IF_FULL(fd)
    return NEXT(ssize_t, pwrite64, int, const void *, size_t, off64_t)(fd, bytes, count, at);
}

int posix_fallocate(int fd, off_t at, off_t count) {
    if (is_full(fd)) return ENOSPC;
    return NEXT(int, posix_fallocate, int, off_t, off_t)(fd, at, count);
}

int fallocate(int fd, int mode, off_t at, off_t count) {
    REFUSE_IF_FULL(fd)
    return NEXT(int, fallocate, int, int, off_t, off_t)(fd, mode, at, count);
}
