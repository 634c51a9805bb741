// SPDX-License-Identifier: GPL-2.0
/*
 * Every allocation and every copy from or to user memory in the life of a named
 * node fails once, as in inject_test.c. What fails says so and leaves nothing
 * behind: taken again, it succeeds, and the node serves a read.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <sys/syscall.h>

#include "kselftest_harness.h"
#include "lib/vhdb_dev.h"
#include "lib/vhdb_inject.h"
#include "lib/vhdb_node.h"

#define DISK_SIZE	0x100000
/* Short and long: configfs keeps them in different places */
#define SHORT		"inject"
#define LONG		"inject-a-name-that-is-longer-than-the-item"

struct life {
	const char *node;
	char path[128];
	int fd;
	int nth_fd;
};

static int step_make(struct life *life)
{
	return vhdb_node_make(life->node);
}

static int step_backend(struct life *life)
{
	return vhdb_node_set(life->node, "backend", "blk");
}

static int step_path(struct life *life)
{
	return vhdb_node_set(life->node, "path", life->path);
}

static int step_show(struct life *life)
{
	char text[256];

	vhdb_node_get(life->node, "path", text, sizeof(text));
	return *text && strcmp(text, life->path) ? -EILSEQ : 0;
}

/*
 * The driver core tells nobody that devtmpfs could not make the node: then it is
 * taken again.
 */
static int step_enable(struct life *life)
{
	int ret = vhdb_node_set(life->node, "enable", "1");

	if (ret || vhdb_node_exists(life->node))
		return ret;
	ret = vhdb_node_set(life->node, "enable", "0");
	return ret ? ret : vhdb_node_set(life->node, "enable", "1");
}

static int step_open(struct life *life)
{
	life->fd = vhdb_node_open(life->node);
	return life->fd < 0 ? life->fd : 0;
}

static int step_close(struct life *life)
{
	return close(life->fd) ? -errno : 0;
}

static int step_disable(struct life *life)
{
	return vhdb_node_set(life->node, "enable", "0");
}

static int step_remove(struct life *life)
{
	return vhdb_node_remove(life->node);
}

static const struct {
	const char *name;
	int (*fn)(struct life *life);
} steps[] = {
	{ "mkdir", step_make },
	{ "backend", step_backend },
	{ "path", step_path },
	{ "enable 1", step_enable },
	{ "path, enabled", step_show },
	{ "open", step_open },
	{ "close", step_close },
	{ "enable 0", step_disable },
	{ "enable 1, again", step_enable },
	{ "open, again", step_open },
	{ "close, again", step_close },
	{ "rmdir", step_remove },
};

static const char *step_name(unsigned int step)
{
	return steps[step].name;
}

static bool take_step(void *priv, unsigned int step, unsigned int nth, int *ret)
{
	struct life *life = priv;

	vhdb_inject_set(life->nth_fd, nth);
	*ret = steps[step].fn(life);
	return vhdb_inject_end(life->nth_fd);
}

FIXTURE(inject)
{
	struct life life;
};

FIXTURE_VARIANT(inject)
{
	const char *node;
};

FIXTURE_VARIANT_ADD(inject, node) { .node = SHORT };
FIXTURE_VARIANT_ADD(inject, node_with_a_long_name) { .node = LONG };

FIXTURE_SETUP(inject)
{
	struct life *life = &self->life;
	const char *missing;
	int fd;

	if (!vhdb_nodes_present())
		SKIP(return, "no " VHDB_NODES);
	missing = vhdb_inject_missing();
	if (missing)
		SKIP(return, "%s", missing);
	life->node = variant->node;
	snprintf(life->path, sizeof(life->path), "%s/node-inject",
		 vhdb_tmpdir());
	fd = open(life->path, O_CREAT | O_TRUNC | O_RDWR | O_CLOEXEC, 0600);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, vhdb_backing_fill(fd, DISK_SIZE));
	close(fd);
	life->nth_fd = vhdb_inject_open(syscall(SYS_gettid));
	ASSERT_LE(0, life->nth_fd);
}

FIXTURE_TEARDOWN(inject)
{
	close(self->life.nth_fd);
	vhdb_node_remove(self->life.node);
	unlink(self->life.path);
}

TEST_F(inject, each_failure_of_each_step)
{
	struct vhdb_inject_life l = {
		.life = &self->life,
		.steps = ARRAY_SIZE(steps),
		.name = step_name,
		.take = take_step,
	};

	/* It is not as if nothing could fail. */
	EXPECT_LT(0, vhdb_inject_rounds(&l));
}

TEST_HARNESS_MAIN
