// SPDX-License-Identifier: GPL-2.0
/*
 * Attributes of a named node: what they take and what they do not, in each
 * state; and what enabling refuses, which is what ATTACH refuses. After each the
 * fixture proves that the node still can be what it is for.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "kselftest_harness.h"
#include "node_fixture.h"

static const struct {
	const char *attr;
	const char *at_first;
	const char *good;
	const char *reads;	/* what @good is told as */
} attrs[] = {
	{ "backend", "", "blk", "blk" },
	{ "path", "", "/some/path, not looked at", "/some/path, not looked at" },
	{ "fd", "-1", "2147483647", "2147483647" },
	{ "ro", "0", "1", "1" },
	{ "complete_worker", "0", "1", "1" },
	{ "worker_per_queue", "0", "1", "1" },
	{ "dialect", "auto", "classic", "classic" },
	{ "queues", "0", "4294967295", "4294967295" },
	{ "queue_size", "0", "0x100", "256" },
	{ "serial", "", "twenty bytes of text", "twenty bytes of text" },
	{ "logical_block_size", "0", "4096", "4096" },
	{ "poll_us", "0", "50", "50" },
	{ "rate_bytes", "0", "18446744073709551615", "18446744073709551615" },
	{ "burst_bytes", "0", "1048576", "1048576" },
	{ "rate_requests", "0", "1000", "1000" },
	{ "burst_requests", "0", "4294967295", "4294967295" },
	{ "features_allow", "0x0000000000000000", "0x400000000",
	  "0x0000000400000000" },
	{ "features_require", "0x0000000000000000", "1",
	  "0x0000000000000001" },
	{ "uid", "0", "65534", "65534" },
	{ "gid", "0", "4294967294", "4294967294" },
	{ "mode", "0000", "640", "0640" },
};

static void expect_attr(struct __test_metadata *_metadata, const char *attr,
			const char *text)
{
	char read[8192];

	vhdb_node_get(NODE, attr, read, sizeof(read));
	EXPECT_STREQ(text, read)
		TH_LOG("%s", attr);
}

#define EXPECT_ATTR(attr, text)	expect_attr(_metadata, attr, text)

TEST_F(node, read_and_write)
{
	char line[128];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(attrs); i++)
		EXPECT_ATTR(attrs[i].attr, attrs[i].at_first);
	EXPECT_ATTR("enable", "0");
	EXPECT_ATTR("opener", "0");

	for (i = 0; i < ARRAY_SIZE(attrs); i++) {
		EXPECT_EQ(0, vhdb_node_set(NODE, attrs[i].attr, attrs[i].good))
			TH_LOG("%s", attrs[i].attr);
		EXPECT_ATTR(attrs[i].attr, attrs[i].reads);
	}
	/* As echo writes it, and back again */
	for (i = 0; i < ARRAY_SIZE(attrs); i++) {
		snprintf(line, sizeof(line), "%s\n", attrs[i].at_first);
		EXPECT_EQ(0, vhdb_node_set(NODE, attrs[i].attr, line))
			TH_LOG("%s", attrs[i].attr);
		EXPECT_ATTR(attrs[i].attr, attrs[i].at_first);
	}
}

/* With its length, for there may be a NUL in it */
#define BAD(attr, text, err)	{ attr, text, sizeof(text) - 1, err }

static const struct {
	const char *attr;
	const char *text;
	size_t len;
	int err;
} bad[] = {
	BAD("backend", "sixteen-bytes-..", -ENAMETOOLONG),
	BAD("backend", "bl\0k", -EINVAL),
	BAD("backend", "blk\0", -EINVAL),
	BAD("path", "relative", -EINVAL),
	BAD("path", "./relative", -EINVAL),
	BAD("path", "/a\0/b", -EINVAL),
	BAD("fd", "-2", -EINVAL),
	BAD("fd", "2147483648", -ERANGE),
	BAD("fd", "-2147483649", -ERANGE),
	BAD("fd", "stdin", -EINVAL),
	BAD("fd", "3\0", -EINVAL),
	BAD("ro", "2", -ERANGE),
	BAD("ro", "-1", -EINVAL),
	BAD("ro", "yes", -EINVAL),
	BAD("ro", "1\0", -EINVAL),
	BAD("complete_worker", "2", -ERANGE),
	BAD("worker_per_queue", "no", -EINVAL),
	BAD("dialect", "vduse", -EINVAL),
	BAD("dialect", "vdp", -EINVAL),
	BAD("dialect", "vdpa\0", -EINVAL),
	BAD("dialect", "1", -EINVAL),
	BAD("dialect", "\n", -EINVAL),
	BAD("serial", "twenty-one bytes here", -ENAMETOOLONG),
	BAD("serial", "a\0b", -EINVAL),
	BAD("uid", "4294967295", -EINVAL),
	BAD("uid", "4294967296", -ERANGE),
	BAD("uid", "-1", -EINVAL),
	BAD("uid", "root", -EINVAL),
	BAD("uid", "0\0", -EINVAL),
	BAD("gid", "4294967295", -EINVAL),
	BAD("gid", "4294967296", -ERANGE),
	BAD("gid", "-1", -EINVAL),
	BAD("gid", "kvm", -EINVAL),
	BAD("gid", "0\0", -EINVAL),
	BAD("mode", "0777", -ERANGE),
	BAD("mode", "0110", -ERANGE),
	BAD("mode", "4660", -ERANGE),
	BAD("mode", "0668", -EINVAL),
	BAD("mode", "rw-", -EINVAL),
	BAD("mode", "-1", -EINVAL),
	BAD("mode", "0660\0", -EINVAL),
	BAD("enable", "2", -ERANGE),
	BAD("enable", "-1", -EINVAL),
	BAD("enable", "on", -EINVAL),
	BAD("enable", "\n", -EINVAL),
	BAD("enable", "1\0", -EINVAL),
	BAD("opener", "1", -EACCES),
};

TEST_F(node, bad_values)
{
	char before[128];
	size_t i;

	/* Others than at first, so that a change would be seen */
	for (i = 0; i < ARRAY_SIZE(attrs); i++)
		ASSERT_EQ(0, vhdb_node_set(NODE, attrs[i].attr, attrs[i].good));
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		vhdb_node_get(NODE, bad[i].attr, before, sizeof(before));
		EXPECT_EQ(bad[i].err, vhdb_node_write(NODE, bad[i].attr,
						      bad[i].text, bad[i].len))
			TH_LOG("%s: %s", bad[i].attr, bad[i].text);
		EXPECT_ATTR(bad[i].attr, before);
	}
}

#define TEXT(text)	{ text, sizeof(text) - 1 }

/* Those that are plain numbers have the same in common. */
TEST_F(node, bad_numbers)
{
	static const struct {
		const char *attr;
		const char *too_much;
	} numbers[] = {
		{ "queues", "4294967296" },
		{ "queue_size", "4294967296" },
		{ "logical_block_size", "0x100000000" },
		{ "poll_us", "4294967296" },
		{ "rate_requests", "4294967296" },
		{ "burst_requests", "4294967296" },
		{ "rate_bytes", "18446744073709551616" },
		{ "burst_bytes", "18446744073709551616" },
		{ "features_allow", "0x10000000000000000" },
		{ "features_require", "0x10000000000000000" },
	};
	static const struct {
		const char *text;
		size_t len;
	} garbage[] = {
		TEXT(""), TEXT("\n"), TEXT(" 1"), TEXT("1 "), TEXT("-1"),
		TEXT("1x"), TEXT("x"), TEXT("0x"), TEXT("1.5"), TEXT("1k"),
		TEXT("1\n\n"), TEXT("1\0"), TEXT("\0001"), TEXT("1\n2"),
	};
	char before[32];
	size_t i, j;
	int err;

	for (i = 0; i < ARRAY_SIZE(numbers); i++) {
		ASSERT_EQ(0, vhdb_node_set(NODE, numbers[i].attr, "77"));
		vhdb_node_get(NODE, numbers[i].attr, before, sizeof(before));
		EXPECT_EQ(-ERANGE, vhdb_node_set(NODE, numbers[i].attr,
						 numbers[i].too_much));
		/* A write of nothing does not reach the attribute. */
		for (j = 0; j < ARRAY_SIZE(garbage); j++) {
			err = vhdb_node_write(NODE, numbers[i].attr,
					      garbage[j].text, garbage[j].len);
			EXPECT_EQ(garbage[j].len ? -EINVAL : -EFAULT, err)
				TH_LOG("%s: %s", numbers[i].attr,
				       garbage[j].text);
		}
		EXPECT_ATTR(numbers[i].attr, before);
	}
}

/* configfs hands over 4,095 bytes at the most: no half of a path is one. */
TEST_F(node, too_long)
{
	static const char *const texts[] = { "backend", "path", "serial" };
	static char text[8192], path[8192];
	size_t i;

	memset(text, '/', sizeof(text));
	for (i = 0; i < ARRAY_SIZE(texts); i++) {
		EXPECT_EQ(-ENAMETOOLONG, vhdb_node_write(NODE, texts[i], text,
							 4095));
		EXPECT_EQ(-ENAMETOOLONG, vhdb_node_write(NODE, texts[i], text,
							 4096));
		EXPECT_EQ(-ENAMETOOLONG, vhdb_node_write(NODE, texts[i], text,
							 sizeof(text)));
		EXPECT_ATTR(texts[i], "");
	}
	EXPECT_EQ(-EINVAL, vhdb_node_write(NODE, "queues", text, sizeof(text)));
	EXPECT_EQ(0, vhdb_node_write(NODE, "path", text, 4094));
	vhdb_node_get(NODE, "path", path, sizeof(path));
	EXPECT_EQ(4094, strlen(path));
}

TEST_F(node, read_only_while_enabled)
{
	char before[64];
	size_t i;

	ASSERT_EQ(0, vhdb_node_enable(NODE, &self->attach));
	EXPECT_ATTR("enable", "1");
	for (i = 0; i < ARRAY_SIZE(attrs); i++) {
		vhdb_node_get(NODE, attrs[i].attr, before, sizeof(before));
		EXPECT_EQ(-EBUSY, vhdb_node_set(NODE, attrs[i].attr,
						attrs[i].good))
			TH_LOG("%s", attrs[i].attr);
		EXPECT_ATTR(attrs[i].attr, before);
	}
	/* One of two who make it must get to know. */
	EXPECT_EQ(-EBUSY, vhdb_node_set(NODE, "enable", "1"));
	EXPECT_EQ(-ERANGE, vhdb_node_set(NODE, "enable", "2"));

	EXPECT_EQ(0, vhdb_node_set(NODE, "enable", "0"));
	EXPECT_EQ(0, vhdb_node_set(NODE, "enable", "0"));
	for (i = 0; i < ARRAY_SIZE(attrs); i++)
		EXPECT_EQ(0, vhdb_node_set(NODE, attrs[i].attr, attrs[i].good));
	vhdb_attach_init(&self->attach, self->disk.fd, NULL);
	EXPECT_EQ(0, vhdb_node_set(NODE, "serial", "\n"));
}

/* ---- names ---- */

TEST(names)
{
	static const struct {
		const char *name;
		int err;
	} names[] = {
		{ "a", 0 },
		{ "0", 0 },
		{ "A-z_0.9", 0 },
		{ "controls", 0 },
		{ "control", -EEXIST },
		{ "-a", -EINVAL },
		{ "_a", -EINVAL },
		{ ".a", -EINVAL },
		{ "...", -EINVAL },
		{ "a b", -EINVAL },
		{ " ", -EINVAL },
		{ "a!b", -EINVAL },
		{ "a,b", -EINVAL },
		{ "a%sb", -EINVAL },
		{ "a\nb", -EINVAL },
		{ "a\\b", -EINVAL },
		{ "\303\244", -EINVAL },
		{ "a\377", -EINVAL },
		{ "a\001", -EINVAL },
		{ "a/b", -ENOENT },
	};
	char name[300];
	size_t i;

	if (!vhdb_nodes_present())
		SKIP(return, "no " VHDB_NODES);
	for (i = 0; i < ARRAY_SIZE(names); i++) {
		EXPECT_EQ(names[i].err, vhdb_node_make(names[i].name))
			TH_LOG("%s", names[i].name);
		if (names[i].err)
			continue;
		EXPECT_EQ(-EEXIST, vhdb_node_make(names[i].name));
		EXPECT_EQ(0, vhdb_node_remove(names[i].name));
		EXPECT_EQ(-ENOENT, vhdb_node_remove(names[i].name));
	}

	memset(name, 'n', sizeof(name));
	name[63] = '\0';
	EXPECT_EQ(0, vhdb_node_make(name));
	EXPECT_EQ(0, vhdb_node_remove(name));
	name[63] = 'n';
	name[64] = '\0';
	EXPECT_EQ(-ENAMETOOLONG, vhdb_node_make(name));
	name[64] = 'n';
	name[255] = '\0';
	EXPECT_EQ(-ENAMETOOLONG, vhdb_node_make(name));
	name[255] = 'n';
	name[256] = '\0';
	EXPECT_EQ(-ENAMETOOLONG, vhdb_node_make(name));
}

/* As many as there are numbers, and then room again when one goes. */
TEST(as_many_as_there_may_be)
{
	char name[32];
	int i, err = 0;

	if (!vhdb_nodes_present())
		SKIP(return, "no " VHDB_NODES);
	for (i = 0; !err && i < 100000; i++) {
		snprintf(name, sizeof(name), "many-%d", i);
		err = vhdb_node_make(name);
	}
	EXPECT_EQ(-ENOSPC, err);
	EXPECT_LE(256, i);
	EXPECT_EQ(0, vhdb_node_remove("many-7"));
	EXPECT_EQ(0, vhdb_node_make("many-again"));
	EXPECT_EQ(-ENOSPC, vhdb_node_make("many-more"));
	EXPECT_EQ(0, vhdb_node_remove("many-again"));
	while (i-- > 0) {
		snprintf(name, sizeof(name), "many-%d", i);
		vhdb_node_remove(name);
	}
	EXPECT_EQ(-ENOENT, vhdb_node_remove("many-0"));
}

TEST_F(node, nothing_else_in_there)
{
	EXPECT_EQ(-EPERM, vhdb_node_make(NODE "/within"));
	EXPECT_EQ(-1, symlink(VHDB_NODES, VHDB_NODES "/" NODE "/link"));
	EXPECT_EQ(EPERM, errno);
	EXPECT_EQ(-1, open(VHDB_NODES "/" NODE "/file", O_CREAT | O_RDWR, 0600));
	EXPECT_EQ(EACCES, errno);
	EXPECT_EQ(-1, unlink(VHDB_NODES "/" NODE "/backend"));
	EXPECT_EQ(EPERM, errno);
}

/* ---- what is not to be enabled: by path ---- */

/* In a folder of our own: $dir in a path stands for it */
static char dir[128];

static int enable_path(struct __test_metadata *_metadata, const char *path,
		       const char *ro)
{
	char full[256];

	if (!strncmp(path, "$dir", 4)) {
		snprintf(full, sizeof(full), "%s%s", dir, path + 4);
		path = full;
	}
	EXPECT_EQ(0, vhdb_node_set(NODE, "path", path));
	EXPECT_EQ(0, vhdb_node_set(NODE, "ro", ro));
	return vhdb_node_set(NODE, "enable", "1");
}

TEST_F(node, bad_paths)
{
	static const struct {
		const char *path;
		const char *ro;
		int err;
	} paths[] = {
		{ "$dir/none", "0", -ENOENT },
		{ "$dir/none/none", "0", -ENOENT },
		{ "$dir/file/none", "0", -ENOTDIR },
		{ "$dir/file/", "0", -ENOTDIR },
		{ "$dir/loop", "0", -ELOOP },
		{ "$dir/dangling", "0", -ENOENT },
		{ "$dir", "0", -EISDIR },
		{ "$dir", "1", -EISDIR },
		/* Opened, the next ones would wait, or ring, or be it itself. */
		{ "$dir/fifo", "0", -ENOTBLK },
		{ "$dir/fifo", "1", -ENOTBLK },
		{ "/dev/null", "0", -ENOTBLK },
		{ VHDB_PATH, "0", -ENOTBLK },
		{ VHDB_NODE_DIR "/" NODE, "0", -ENOENT },
	};
	char path[256];
	size_t i;
	int fd;

	snprintf(dir, sizeof(dir), "%s/node.XXXXXX", vhdb_tmpdir());
	ASSERT_NE(NULL, mkdtemp(dir));
#define IN_DIR(name) (snprintf(path, sizeof(path), "%s/" name, dir), path)
	ASSERT_EQ(0, mkfifo(IN_DIR("fifo"), 0600));
	ASSERT_EQ(0, symlink("loop", IN_DIR("loop")));
	ASSERT_EQ(0, symlink("none", IN_DIR("dangling")));
	ASSERT_EQ(0, symlink("file", IN_DIR("link")));
	fd = open(IN_DIR("file"), O_CREAT | O_RDWR | O_CLOEXEC, 0600);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, ftruncate(fd, DISK_SIZE));
	close(fd);

	ASSERT_EQ(0, vhdb_node_set(NODE, "backend", "blk"));
	for (i = 0; i < ARRAY_SIZE(paths); i++) {
		EXPECT_EQ(paths[i].err, enable_path(_metadata, paths[i].path,
						    paths[i].ro))
			TH_LOG("%s", paths[i].path);
		EXPECT_ATTR("enable", "0");
		EXPECT_FALSE(vhdb_node_exists(NODE));
	}
	/* That is not for any path. */
	EXPECT_EQ(0, enable_path(_metadata, "$dir/link", "1"));
	EXPECT_EQ(0, vhdb_node_set(NODE, "enable", "0"));
	EXPECT_EQ(0, enable_path(_metadata, "$dir/file", "0"));
	EXPECT_ATTR("path", IN_DIR("file"));
	EXPECT_EQ(0, vhdb_node_set(NODE, "enable", "0"));

	unlink(IN_DIR("fifo"));
	unlink(IN_DIR("loop"));
	unlink(IN_DIR("dangling"));
	unlink(IN_DIR("link"));
	unlink(IN_DIR("file"));
	rmdir(dir);
}

/* ---- what is not to be enabled: as ATTACH has it ---- */

static int memfd_as(int flags)
{
	int memfd = memfd_create("node", MFD_CLOEXEC), fd = -1;
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", memfd);
	if (memfd >= 0 && !ftruncate(memfd, DISK_SIZE))
		fd = open(path, flags | O_CLOEXEC);
	close(memfd);
	return fd;
}

static int memfd_read_only(void)	{ return memfd_as(O_RDONLY); }
static int memfd_write_only(void)	{ return memfd_as(O_WRONLY); }
static int memfd_append(void)		{ return memfd_as(O_RDWR | O_APPEND); }
static int memfd_path(void)		{ return memfd_as(O_PATH); }
static int directory(void)		{ return open("/", O_RDONLY | O_CLOEXEC); }
static int null(void)			{ return open("/dev/null", O_RDWR | O_CLOEXEC); }
static int none(void)			{ return -1; }
static int beyond(void)			{ return 0x7fffffff; }

/* What differs from what is good, and the errno */
static const struct refused {
	const char *what;
	const char *backend;
	const char *path;
	int (*fd)(void);
	struct vhost_doorbell_attach bad;
	int err;
} refused[] = {
	{ "no such back end", .backend = "none-such", .err = -ENOENT },
	{ "no file", .fd = none, .err = -EBADF },
	{ "fd of no table", .fd = beyond, .err = -EBADF },
	{ "fd read only", .fd = memfd_read_only, .err = -EROFS },
	{ "fd write only", .fd = memfd_write_only, .err = -EBADF },
	{ "fd append", .fd = memfd_append, .err = -EINVAL },
	{ "fd path", .fd = memfd_path, .err = -EBADF },
	{ "fd directory", .fd = directory, .err = -EISDIR },
	{ "fd char device", .fd = null, .err = -ENOTBLK },
	{ "fd control", .fd = vhdb_open, .err = -ENOTBLK },
	{ "fd and path", .path = "/proc/self/exe", .bad.flags = 1,
	 .err = -EINVAL },
	{ "bell fd", .backend = "bell", .err = -EINVAL },
	{ "bell path", .backend = "bell", .fd = none,
	 .path = "/proc/self/exe", .bad.flags = 1, .err = -EINVAL },
	{ "copy path", .backend = "copy", .fd = none,
	 .path = "/proc/self/exe", .bad.flags = 1, .err = -EINVAL },
	{ "require", .bad.features_require = VHDB_BIT(63), .err = -EOPNOTSUPP },
	{ "queues", .bad.queues = 0xffffffff, .err = -ERANGE },
	{ "queue size", .bad.queue_size = 65536, .err = -ERANGE },
	{ "queue size 24", .bad.queue_size = 24, .err = -ERANGE },
	{ "poll", .bad.poll_us = 0xffffffff, .err = -ERANGE },
	{ "lbs 513", .bad.logical_block_size = 513, .err = -EINVAL },
	{ "lbs 8192", .bad.logical_block_size = 8192, .err = -EINVAL },
	{ "rate", .bad.rate_bytes = ~0ULL, .err = -ERANGE },
	{ "burst bytes", .bad.burst_bytes = 1, .err = -ERANGE },
	{ "burst requests", .bad.burst_requests = 1, .err = -ERANGE },
};

static void refuse(struct __test_metadata *_metadata, const struct refused *r,
		   int disk)
{
	struct vhost_doorbell_attach attach = r->bad;
	int fd = r->fd ? r->fd() : disk, control;

	attach.fd = fd;
	attach.dialect = VHOST_DOORBELL_DIALECT_VDPA;
	if (r->backend && !strcmp(r->backend, "bell"))
		attach.dialect = VHOST_DOORBELL_DIALECT_AUTO;
	snprintf(attach.backend, sizeof(attach.backend), "%s",
		 r->backend ? r->backend : "blk");
	EXPECT_EQ(0, vhdb_node_set(NODE, "path", r->path ? r->path : "\n"));
	EXPECT_EQ(0, vhdb_node_set_attach(NODE, &attach));
	EXPECT_EQ(r->err, vhdb_node_set(NODE, "enable", "1"))
		TH_LOG("%s", r->what);
	EXPECT_ATTR("enable", "0");
	EXPECT_FALSE(vhdb_node_exists(NODE));

	/* The same by what it mirrors, where that can be said there */
	if (!r->path) {
		control = vhdb_open();
		attach.size = sizeof(attach);
		EXPECT_EQ(r->err, __vhdb_attach(control, &attach))
			TH_LOG("%s", r->what);
		close(control);
	}
	if (r->fd && fd >= 0)
		close(fd);
}

TEST_F(node, refused_as_by_attach)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(refused); i++) {
		refuse(_metadata, &refused[i], self->disk.fd);
		/* And nothing is left of it. */
		EXPECT_EQ(0, vhdb_node_set(NODE, "path", "\n"));
		EXPECT_EQ(0, vhdb_node_enable(NODE, &self->attach));
		EXPECT_EQ(0, serve_and_close(vhdb_node_open(NODE), NULL));
		EXPECT_EQ(0, vhdb_node_set(NODE, "enable", "0"));
	}
}

TEST_HARNESS_MAIN
