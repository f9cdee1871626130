/* Files without names: memfd_create, seals, O_TMPFILE. Run in an empty folder, as root. */

#include "check.h"
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define EXECUTE_SEAL 0x20

static int sealable(void)
{
	int file = memfd_create("sealed", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	WANT(file >= 0);
	return file;
}

static void anonymous(void)
{
	char name[300], path[64], link[300];
	struct stat status;
	int file = memfd_create("of mine", MFD_CLOEXEC);
	WANT(file >= 0 && fcntl(file, F_GETFD) == FD_CLOEXEC);
	WANT(fstat(file, &status) == 0 && status.st_nlink == 0);
	WANT(S_ISREG(status.st_mode) && (status.st_mode & 07777) == 0777 && status.st_size == 0);
	WANT(write(file, "text", 4) == 4 && lseek(file, 0, SEEK_SET) == 0 && read(file, name, 9) == 4);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
	ssize_t length = readlink(path, link, sizeof(link));
	WANT(length > 0);
	link[length] = 0;
	if (strcmp(link, "/memfd:of mine (deleted)") != 0)
		FAIL("shown as %s", link);
	/* The same file, opened once more and only for reading. */
	int again = open(path, O_RDONLY);
	WANT(again >= 0 && read(again, name, 9) == 4);
	WANT_ERROR(write(again, "x", 1), EBADF);
	WANT_ERROR(openat(file, "..", O_RDONLY), ENOTDIR);
	/* It never gets a name. */
	WANT_ERROR(linkat(AT_FDCWD, path, AT_FDCWD, "named", AT_SYMLINK_FOLLOW), EXDEV);
	WANT(fcntl(file, F_GET_SEALS) == F_SEAL_SEAL);
	WANT_ERROR(fcntl(file, F_ADD_SEALS, F_SEAL_GROW), EPERM);
	memset(name, 'n', sizeof(name));
	name[249] = 0;
	WANT(memfd_create(name, 0) >= 0);
	name[249] = 'n';
	name[250] = 0;
	WANT_ERROR(memfd_create(name, 0), EINVAL);
	WANT_ERROR(memfd_create("x", 0x100), EINVAL);
	WANT_ERROR(memfd_create((char *)8, 0), EFAULT);
	WANT(memfd_create("", 0) >= 0);
}

static void shared_by_mapping(void)
{
	int file = memfd_create("m", 0), status;
	WANT(ftruncate(file, 8192) == 0);
	char *memory = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	WANT(memory != MAP_FAILED);
	pid_t child = fork();
	if (child == 0) {
		memory[5000] = 'c';
		_exit(0);
	}
	WANT(waitpid(child, &status, 0) == child && status == 0);
	WANT(memory[5000] == 'c');
	char byte;
	WANT(pread(file, &byte, 1, 5000) == 1 && byte == 'c');
}

static void size_seals(void)
{
	char text[8192];
	int file = sealable();
	WANT(ftruncate(file, 4096) == 0);
	WANT(fcntl(file, F_GET_SEALS) == 0);
	WANT_ERROR(fcntl(file, F_ADD_SEALS, 0x1000), EINVAL);
	WANT(fcntl(file, F_ADD_SEALS, F_SEAL_SHRINK) == 0);
	WANT_ERROR(ftruncate(file, 4095), EPERM);
	WANT(ftruncate(file, 5000) == 0);
	WANT(fcntl(file, F_ADD_SEALS, F_SEAL_GROW) == 0);
	WANT_ERROR(ftruncate(file, 5001), EPERM);
	WANT_ERROR(pwrite(file, "xx", 2, 4999), EPERM);
	WANT(pwrite(file, "x", 1, 4999) == 1);
	memset(text, 't', sizeof(text));
	/* What still fits may be written. */
	ssize_t written = pwrite(file, text, sizeof(text), 0);
	WANT(written > 0 && written <= 5000);
	struct stat status;
	WANT(fstat(file, &status) == 0 && status.st_size == 5000);
	WANT(fcntl(file, F_ADD_SEALS, F_SEAL_SEAL) == 0);
	WANT_ERROR(fcntl(file, F_ADD_SEALS, F_SEAL_WRITE), EPERM);
	WANT(fcntl(file, F_GET_SEALS) == (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW));
}

static void write_seal(void)
{
	int file = sealable();
	char path[64];
	WANT(ftruncate(file, 8192) == 0);
	char *memory = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	WANT(memory != MAP_FAILED);
	WANT_ERROR(fcntl(file, F_ADD_SEALS, F_SEAL_WRITE), EBUSY);
	/* A half of the mapping counts as much as the whole, in a child too. */
	WANT(munmap(memory, 4096) == 0);
	WANT_ERROR(fcntl(file, F_ADD_SEALS, F_SEAL_WRITE), EBUSY);
	int gate[2], status;
	char byte;
	WANT(pipe(gate) == 0);
	pid_t child = fork();
	if (child == 0) {
		close(gate[1]);
		_exit(read(gate[0], &byte, 1) != 0);
	}
	WANT(munmap(memory + 4096, 4096) == 0);
	WANT_ERROR(fcntl(file, F_ADD_SEALS, F_SEAL_WRITE), EBUSY);
	close(gate[1]);
	WANT(waitpid(child, &status, 0) == child && status == 0);
	WANT(fcntl(file, F_ADD_SEALS, F_SEAL_WRITE) == 0);
	WANT_ERROR(write(file, "x", 1), EPERM);
	WANT_ERROR(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0) == MAP_FAILED ? -1 : 0, EPERM);
	/* It may be read, and a private copy changed. */
	memory = mmap(NULL, 4096, PROT_READ, MAP_SHARED, file, 0);
	WANT(memory != MAP_FAILED && memory[0] == 0);
	WANT_ERROR(mprotect(memory, 4096, PROT_READ | PROT_WRITE), EACCES);
	memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, file, 0);
	WANT(memory != MAP_FAILED);
	memory[0] = 'p';
	WANT(pread(file, &byte, 1, 0) == 1 && byte == 0);
	/* Seals are added through a descriptor that may write. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
	int reader = open(path, O_RDONLY);
	WANT(reader >= 0);
	WANT_ERROR(fcntl(reader, F_ADD_SEALS, F_SEAL_SEAL), EPERM);
	WANT(fcntl(reader, F_GET_SEALS) == F_SEAL_WRITE);
}

static void future_write_seal(void)
{
	int file = sealable();
	WANT(ftruncate(file, 4096) == 0);
	char *memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	WANT(memory != MAP_FAILED);
	WANT(fcntl(file, F_ADD_SEALS, F_SEAL_FUTURE_WRITE) == 0);
	memory[0] = 'm';
	char byte;
	WANT(pread(file, &byte, 1, 0) == 1 && byte == 'm');
	WANT_ERROR(write(file, "x", 1), EPERM);
	WANT_ERROR(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0) == MAP_FAILED ? -1 : 0, EPERM);
}

static void execute_seal(void)
{
	int file = memfd_create("x", 8 /* MFD_NOEXEC_SEAL */);
	WANT(file >= 0);
	WANT(fcntl(file, F_GET_SEALS) == EXECUTE_SEAL);
	struct stat status;
	WANT(fstat(file, &status) == 0 && (status.st_mode & 07777) == 0666);
	WANT_ERROR(fchmod(file, 0700), EPERM);
	WANT(fchmod(file, 0600) == 0);
	WANT_ERROR(memfd_create("x", 8 | 16), EINVAL);
}

static void temporary(void)
{
	struct stat status;
	char path[64], text[8];
	int file = open(".", O_TMPFILE | O_RDWR, 0640);
	WANT(file >= 0);
	WANT(fstat(file, &status) == 0 && status.st_nlink == 0 && (status.st_mode & 07777) == 0640);
	WANT(write(file, "kept", 4) == 4);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
	WANT(linkat(AT_FDCWD, path, AT_FDCWD, "named", AT_SYMLINK_FOLLOW) == 0);
	WANT(fstat(file, &status) == 0 && status.st_nlink == 1);
	int named = open("named", O_RDONLY);
	WANT(named >= 0 && read(named, text, 8) == 4 && memcmp(text, "kept", 4) == 0);
	WANT_ERROR(linkat(AT_FDCWD, path, AT_FDCWD, "named", AT_SYMLINK_FOLLOW), EEXIST);
	/* Once it has had a name, the last one is the last. */
	WANT(unlink("named") == 0);
	WANT_ERROR(linkat(AT_FDCWD, path, AT_FDCWD, "named", AT_SYMLINK_FOLLOW), ENOENT);
	file = open(".", O_TMPFILE | O_WRONLY | O_EXCL, 0600);
	WANT(file >= 0);
	WANT_ERROR(linkat(file, "", AT_FDCWD, "named", AT_EMPTY_PATH), ENOENT);
	WANT_ERROR(open(".", O_TMPFILE | O_RDONLY, 0600), EINVAL);
	WANT_ERROR(open(".", O_TMPFILE | O_RDWR | O_CREAT, 0600), EINVAL);
	WANT_ERROR(open("none", O_TMPFILE | O_RDWR, 0600), ENOENT);
	WANT(close(open("f", O_CREAT | O_RDWR, 0600)) == 0);
	WANT_ERROR(open("f", O_TMPFILE | O_RDWR, 0600), ENOTDIR);
	WANT_ERROR(open("/proc", O_TMPFILE | O_RDWR, 0600), EOPNOTSUPP);
	WANT(mkdir("closed", 0755) == 0 && setgid(65534) == 0 && setuid(65534) == 0);
	WANT_ERROR(open("closed", O_TMPFILE | O_RDWR, 0600), EACCES);
}

static const struct check checks[] = {
	{ "anonymous", anonymous },
	{ "shared-by-mapping", shared_by_mapping },
	{ "size-seals", size_seals },
	{ "write-seal", write_seal },
	{ "future-write-seal", future_write_seal },
	{ "execute-seal", execute_seal },
	{ "temporary", temporary },
};

MAIN(checks)
