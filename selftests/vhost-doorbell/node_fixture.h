/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A named node that is not enabled yet, and a small disk for it. Whatever a test
 * does to it, afterwards it is made to serve a read, and removed. To be included
 * behind the harness, once.
 */
#ifndef NODE_FIXTURE_H
#define NODE_FIXTURE_H

#include "lib/vhdb_dev.h"
#include "lib/vhdb_node.h"

#define DISK_SIZE	0x100000
#define NODE		"selftest"

/* An open node is a device that is attached: it serves a read. Closes @fd. */
static inline int serve_and_close(int fd, const struct vhdb_opts *opts)
{
	struct vhdb_dev dev;
	int ret;

	if (fd < 0)
		return fd;
	ret = __vhdb_set_owner(fd);
	if (!ret)
		ret = vhdb_dev_adopt(&dev, fd, opts);
	if (ret) {
		close(fd);
		return ret;
	}
	ret = vhdb_dev_check(&dev);
	vhdb_dev_destroy(&dev);
	return ret;
}

FIXTURE(node)
{
	struct vhdb_backing disk;
	struct vhost_doorbell_attach attach;	/* what is good */
};

FIXTURE_SETUP(node)
{
	if (!vhdb_nodes_present())
		SKIP(return, "no " VHDB_NODES);
	ASSERT_EQ(0, vhdb_backing_memfd(&self->disk, DISK_SIZE));
	vhdb_attach_init(&self->attach, self->disk.fd, NULL);
	ASSERT_EQ(0, vhdb_node_make(NODE));
}

FIXTURE_TEARDOWN(node)
{
	EXPECT_EQ(0, vhdb_node_set(NODE, "enable", "0"));
	EXPECT_FALSE(vhdb_node_exists(NODE));
	EXPECT_EQ(0, vhdb_node_set(NODE, "path", "\n"));
	EXPECT_EQ(0, vhdb_node_enable(NODE, &self->attach));
	EXPECT_EQ(0, serve_and_close(vhdb_node_open(NODE), NULL));
	EXPECT_EQ(0, vhdb_node_remove(NODE));
	EXPECT_FALSE(vhdb_node_exists(NODE));
	vhdb_backing_free(&self->disk);
}

#endif /* NODE_FIXTURE_H */
