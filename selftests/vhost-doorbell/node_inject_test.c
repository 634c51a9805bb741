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
	struct vhdb_inject inject;
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

static const struct vhdb_step steps[] = {
	VHDB_STEP("mkdir", step_make),
	VHDB_STEP("backend", step_backend),
	VHDB_STEP("path", step_path),
	VHDB_STEP("enable 1", step_enable),
	VHDB_STEP("path, enabled", step_show),
	VHDB_STEP("open", step_open),
	VHDB_STEP("close", step_close),
	VHDB_STEP("enable 0", step_disable),
	VHDB_STEP("enable 1, again", step_enable),
	VHDB_STEP("open, again", step_open),
	VHDB_STEP("close, again", step_close),
	VHDB_STEP("rmdir", step_remove),
};

/* What differs with a long name */
static const struct vhdb_step name_steps[] = {
	VHDB_STEP("mkdir", step_make),
	VHDB_STEP("backend", step_backend),
	VHDB_STEP("rmdir", step_remove),
};

FIXTURE(inject)
{
	struct life life;
};

FIXTURE_VARIANT(inject)
{
	const char *node;
	const struct vhdb_step *steps;
	unsigned int nr;
};

FIXTURE_VARIANT_ADD(inject, node)
{
	.node = SHORT,
	.steps = steps,
	.nr = ARRAY_SIZE(steps),
};

FIXTURE_VARIANT_ADD(inject, node_with_a_long_name)
{
	.node = LONG,
	.steps = name_steps,
	.nr = ARRAY_SIZE(name_steps),
};

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
	ASSERT_EQ(0, vhdb_inject_init(&life->inject));
}

FIXTURE_TEARDOWN(inject)
{
	vhdb_inject_free(&self->life.inject);
	vhdb_node_remove(self->life.node);
	unlink(self->life.path);
}

TEST_F(inject, each_failure_of_each_step)
{
	/* It is not as if nothing could fail. */
	EXPECT_LT(0, vhdb_inject_rounds(&self->life.inject, &self->life,
					variant->steps, variant->nr));
}

TEST_HARNESS_MAIN
