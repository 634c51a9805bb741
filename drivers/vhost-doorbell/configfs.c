// SPDX-License-Identifier: GPL-2.0
/*
 * Where named nodes are made: /sys/kernel/config/vhost-doorbell. A folder is a
 * node, its files are the fields of struct vhost_doorbell_attach and what the
 * device node looks like; Documentation/nodes.rst has them all.
 *
 * Locks: configfs calls make_node() and drop_node() under the subsystem's mutex
 * (su_mutex), the attributes' functions under the folder's frag_sem. A node's
 * lock comes below both. An open node is a dependent of configfs, so that rmdir
 * answers -EBUSY; release takes that back without any lock but configfs's own.
 */
#include <linux/configfs.h>
#include <linux/ctype.h>
#include <linux/cred.h>
#include <linux/fs.h>
#include <linux/kstrtox.h>
#include <linux/module.h>
#include <linux/pid_namespace.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/xarray.h>

#include "node.h"

/* configfs cuts a write there. */
#define WRITE_MAX	4095

static DEFINE_XARRAY_ALLOC(nodes);	/* by minor; under su_mutex */

static struct vhdb_node *to_node(struct config_item *item)
{
	return container_of(item, struct vhdb_node, item);
}

/* ---- attributes: reading and writing what they are made of ---- */

/* The value stays as it is while the node is not off. */
static int begin_change(struct vhdb_node *node)
{
	mutex_lock(&node->lock);
	if (node->state == VHDB_NODE_OFF)
		return 0;
	mutex_unlock(&node->lock);
	return -EBUSY;
}

static void end_change(struct vhdb_node *node)
{
	mutex_unlock(&node->lock);
}

/* A text as it was written, without the newline that echo adds. */
static int get_text(const char *page, size_t count, size_t max, size_t *len)
{
	if (strnlen(page, count) != count)
		return -EINVAL;
	*len = count && page[count - 1] == '\n' ? count - 1 : count;
	return *len > max || count >= WRITE_MAX ? -ENAMETOOLONG : 0;
}

static int get_u64(const char *page, size_t count, unsigned int base, u64 max,
		   u64 *value)
{
	int err;

	if (strnlen(page, count) != count)
		return -EINVAL;
	err = kstrtou64(page, base, value);
	if (err)
		return err;
	return *value > max ? -ERANGE : 0;
}

static ssize_t store_u32(struct vhdb_node *node, const char *page, size_t count,
			 u32 *field)
{
	u64 value;
	int err = get_u64(page, count, 0, U32_MAX, &value);

	if (!err)
		err = begin_change(node);
	if (err)
		return err;
	*field = value;
	end_change(node);
	return count;
}

static ssize_t store_u64(struct vhdb_node *node, const char *page, size_t count,
			 u64 *field)
{
	u64 value;
	int err = get_u64(page, count, 0, U64_MAX, &value);

	if (!err)
		err = begin_change(node);
	if (err)
		return err;
	*field = value;
	end_change(node);
	return count;
}

/* A text of at most @size bytes, padded with zeros. */
static ssize_t store_chars(struct vhdb_node *node, const char *page,
			   size_t count, char *field, size_t size, size_t max)
{
	size_t len;
	int err = get_text(page, count, max, &len);

	if (!err)
		err = begin_change(node);
	if (err)
		return err;
	memset(field, 0, size);
	memcpy(field, page, len);
	end_change(node);
	return count;
}

/* Fields that are numbers */
#define NODE_SHOW(_name, _format)					\
static ssize_t node_##_name##_show(struct config_item *item, char *page) \
{									\
	return sysfs_emit(page, _format "\n",				\
			  READ_ONCE(to_node(item)->arg._name));		\
}

#define NODE_STORE(_name, _store_field)					\
static ssize_t node_##_name##_store(struct config_item *item,		\
				    const char *page, size_t count)	\
{									\
	struct vhdb_node *node = to_node(item);				\
									\
	return _store_field(node, page, count, &node->arg._name);	\
}

NODE_SHOW(queues, "%u")
NODE_STORE(queues, store_u32)
CONFIGFS_ATTR(node_, queues);

NODE_SHOW(queue_size, "%u")
NODE_STORE(queue_size, store_u32)
CONFIGFS_ATTR(node_, queue_size);

NODE_SHOW(logical_block_size, "%u")
NODE_STORE(logical_block_size, store_u32)
CONFIGFS_ATTR(node_, logical_block_size);

NODE_SHOW(poll_us, "%u")
NODE_STORE(poll_us, store_u32)
CONFIGFS_ATTR(node_, poll_us);

NODE_SHOW(rate_requests, "%u")
NODE_STORE(rate_requests, store_u32)
CONFIGFS_ATTR(node_, rate_requests);

NODE_SHOW(burst_requests, "%u")
NODE_STORE(burst_requests, store_u32)
CONFIGFS_ATTR(node_, burst_requests);

NODE_SHOW(rate_bytes, "%llu")
NODE_STORE(rate_bytes, store_u64)
CONFIGFS_ATTR(node_, rate_bytes);

NODE_SHOW(burst_bytes, "%llu")
NODE_STORE(burst_bytes, store_u64)
CONFIGFS_ATTR(node_, burst_bytes);

NODE_SHOW(features_allow, "0x%016llx")
NODE_STORE(features_allow, store_u64)
CONFIGFS_ATTR(node_, features_allow);

NODE_SHOW(features_require, "0x%016llx")
NODE_STORE(features_require, store_u64)
CONFIGFS_ATTR(node_, features_require);

/* ---- attributes: what to serve ---- */

static ssize_t node_backend_show(struct config_item *item, char *page)
{
	struct vhdb_node *node = to_node(item);
	ssize_t ret;

	mutex_lock(&node->lock);
	ret = sysfs_emit(page, "%s\n", node->arg.backend);
	mutex_unlock(&node->lock);
	return ret;
}

static ssize_t node_backend_store(struct config_item *item, const char *page,
				  size_t count)
{
	struct vhdb_node *node = to_node(item);

	return store_chars(node, page, count, node->arg.backend,
			   sizeof(node->arg.backend),
			   sizeof(node->arg.backend) - 1);
}
CONFIGFS_ATTR(node_, backend);

static ssize_t node_serial_show(struct config_item *item, char *page)
{
	struct vhdb_node *node = to_node(item);
	ssize_t ret;

	mutex_lock(&node->lock);
	ret = sysfs_emit(page, "%.*s\n", VHOST_DOORBELL_SERIAL_MAX,
			 node->arg.serial);
	mutex_unlock(&node->lock);
	return ret;
}

static ssize_t node_serial_store(struct config_item *item, const char *page,
				 size_t count)
{
	struct vhdb_node *node = to_node(item);

	return store_chars(node, page, count, node->arg.serial,
			   sizeof(node->arg.serial), sizeof(node->arg.serial));
}
CONFIGFS_ATTR(node_, serial);

/* While it is enabled, what is really served. */
static ssize_t node_path_show(struct config_item *item, char *page)
{
	struct vhdb_node *node = to_node(item);
	ssize_t ret = 0;
	char *name;

	mutex_lock(&node->lock);
	if (node->state == VHDB_NODE_ON && node->file) {
		name = file_path(node->file, page, WRITE_MAX);
		if (IS_ERR(name)) {
			ret = PTR_ERR(name);
		} else {
			ret = strlen(name);
			memmove(page, name, ret);
		}
	} else if (node->path) {
		ret = strscpy(page, node->path, PAGE_SIZE);
	}
	mutex_unlock(&node->lock);
	if (ret >= 0)
		page[ret++] = '\n';
	return ret;
}

static ssize_t node_path_store(struct config_item *item, const char *page,
			       size_t count)
{
	struct vhdb_node *node = to_node(item);
	char *path = NULL;
	size_t len;
	int err = get_text(page, count, WRITE_MAX, &len);

	if (err)
		return err;
	/* Nothing is for a back end that serves nothing, or for an fd. */
	if (len) {
		if (page[0] != '/')
			return -EINVAL;
		path = kmemdup_nul(page, len, GFP_KERNEL);
		if (!path)
			return -ENOMEM;
	}
	err = begin_change(node);
	if (err) {
		kfree(path);
		return err;
	}
	swap(node->path, path);
	end_change(node);
	kfree(path);
	return count;
}
CONFIGFS_ATTR(node_, path);

static ssize_t node_fd_show(struct config_item *item, char *page)
{
	return sysfs_emit(page, "%d\n", READ_ONCE(to_node(item)->arg.fd));
}

/* Instead of a path: an open file of the process that writes to enable. */
static ssize_t node_fd_store(struct config_item *item, const char *page,
			     size_t count)
{
	struct vhdb_node *node = to_node(item);
	int fd, err;

	if (strnlen(page, count) != count)
		return -EINVAL;
	err = kstrtoint(page, 10, &fd);
	if (!err && fd < -1)
		err = -EINVAL;
	if (!err)
		err = begin_change(node);
	if (err)
		return err;
	node->arg.fd = fd;
	end_change(node);
	return count;
}
CONFIGFS_ATTR(node_, fd);

static ssize_t store_flag(struct vhdb_node *node, const char *page, size_t count,
			  u32 flag)
{
	u64 on;
	int err = get_u64(page, count, 0, 1, &on);

	if (!err)
		err = begin_change(node);
	if (err)
		return err;
	if (on)
		node->arg.flags |= flag;
	else
		node->arg.flags &= ~flag;
	end_change(node);
	return count;
}

#define NODE_FLAG(_name, _flag)						\
static const u32 _name##_flag = _flag;					\
									\
static ssize_t node_##_name##_show(struct config_item *item, char *page) \
{									\
	u32 flags = READ_ONCE(to_node(item)->arg.flags);		\
									\
	return sysfs_emit(page, "%d\n", !!(flags & _name##_flag));	\
}									\
									\
static ssize_t node_##_name##_store(struct config_item *item,		\
				    const char *page, size_t count)	\
{									\
	return store_flag(to_node(item), page, count, _name##_flag);	\
}									\
									\
CONFIGFS_ATTR(node_, _name)

NODE_FLAG(ro, VHOST_DOORBELL_ATTACH_RO);
NODE_FLAG(complete_worker, VHOST_DOORBELL_ATTACH_COMPLETE_WORKER);
NODE_FLAG(worker_per_queue, VHOST_DOORBELL_ATTACH_WORKER_PER_QUEUE);

static const char *const dialects[] = {
	[VHOST_DOORBELL_DIALECT_AUTO] = "auto",
	[VHOST_DOORBELL_DIALECT_VDPA] = "vdpa",
	[VHOST_DOORBELL_DIALECT_CLASSIC] = "classic",
};

static ssize_t node_dialect_show(struct config_item *item, char *page)
{
	return sysfs_emit(page, "%s\n",
			  dialects[READ_ONCE(to_node(item)->arg.dialect)]);
}

static ssize_t node_dialect_store(struct config_item *item, const char *page,
				  size_t count)
{
	struct vhdb_node *node = to_node(item);
	int dialect, err;

	if (strnlen(page, count) != count)
		return -EINVAL;
	dialect = sysfs_match_string(dialects, page);
	if (dialect < 0)
		return dialect;
	err = begin_change(node);
	if (err)
		return err;
	node->arg.dialect = dialect;
	end_change(node);
	return count;
}
CONFIGFS_ATTR(node_, dialect);

/* ---- attributes: the device node ---- */

/* The owner's numbers: kuid_t and kgid_t, as the writer's namespace has them */
#define NODE_OWNER_SHOW(_name)						\
static ssize_t node_##_name##_show(struct config_item *item, char *page) \
{									\
	return sysfs_emit(page, "%u\n",					\
			  from_k##_name##_munged(current_user_ns(),	\
						 to_node(item)->owner._name)); \
}

#define NODE_OWNER_STORE(_name)						\
static ssize_t node_##_name##_store(struct config_item *item,		\
				    const char *page, size_t count)	\
{									\
	struct vhdb_node *node = to_node(item);				\
	k##_name##_t owner, *field = &node->owner._name;		\
	u64 id;								\
	int err = get_u64(page, count, 10, U32_MAX, &id);		\
									\
	if (err)							\
		return err;						\
	owner = make_k##_name(current_user_ns(), id);			\
	if (!_name##_valid(owner))					\
		return -EINVAL;						\
	err = begin_change(node);					\
	if (err)							\
		return err;						\
	*field = owner;							\
	end_change(node);						\
	return count;							\
}

NODE_OWNER_SHOW(uid)
NODE_OWNER_STORE(uid)
CONFIGFS_ATTR(node_, uid);

NODE_OWNER_SHOW(gid)
NODE_OWNER_STORE(gid)
CONFIGFS_ATTR(node_, gid);

static ssize_t node_mode_show(struct config_item *item, char *page)
{
	return sysfs_emit(page, "%04o\n", READ_ONCE(to_node(item)->mode));
}

static ssize_t node_mode_store(struct config_item *item, const char *page,
			       size_t count)
{
	struct vhdb_node *node = to_node(item);
	u64 mode;
	int err = get_u64(page, count, 8, 0666, &mode);

	if (!err && (mode & ~0666ULL))
		err = -ERANGE;
	if (!err)
		err = begin_change(node);
	if (err)
		return err;
	node->mode = mode;
	end_change(node);
	return count;
}
CONFIGFS_ATTR(node_, mode);

static ssize_t node_enable_show(struct config_item *item, char *page)
{
	return sysfs_emit(page, "%d\n", READ_ONCE(to_node(item)->state) ==
					VHDB_NODE_ON);
}

static ssize_t node_enable_store(struct config_item *item, const char *page,
				 size_t count)
{
	struct vhdb_node *node = to_node(item);
	u64 enable;
	int err = get_u64(page, count, 0, 1, &enable);

	if (!err)
		err = enable ? vhdb_node_enable(node) : vhdb_node_disable(node);
	return err ?: count;
}
CONFIGFS_ATTR(node_, enable);

/* Who opened it, as the reader numbers processes; 0 for nobody. */
static ssize_t node_opener_show(struct config_item *item, char *page)
{
	struct vhdb_node *node = to_node(item);
	ssize_t ret;

	mutex_lock(&node->lock);
	ret = sysfs_emit(page, "%d\n", pid_vnr(node->opener));
	mutex_unlock(&node->lock);
	return ret;
}
CONFIGFS_ATTR_RO(node_, opener);

static struct configfs_attribute *node_attrs[] = {
	&node_attr_backend,
	&node_attr_path,
	&node_attr_fd,
	&node_attr_ro,
	&node_attr_complete_worker,
	&node_attr_worker_per_queue,
	&node_attr_dialect,
	&node_attr_queues,
	&node_attr_queue_size,
	&node_attr_serial,
	&node_attr_logical_block_size,
	&node_attr_poll_us,
	&node_attr_rate_bytes,
	&node_attr_burst_bytes,
	&node_attr_rate_requests,
	&node_attr_burst_requests,
	&node_attr_features_allow,
	&node_attr_features_require,
	&node_attr_uid,
	&node_attr_gid,
	&node_attr_mode,
	&node_attr_enable,
	&node_attr_opener,
	NULL,
};

/* ---- folders ---- */

static void node_release(struct config_item *item)
{
	struct vhdb_node *node = to_node(item);

	kfree(node->path);
	mutex_destroy(&node->lock);
	kfree(node);
}

static struct configfs_item_operations node_ops = {
	.release = node_release,
};

static const struct config_item_type node_type = {
	.ct_owner = THIS_MODULE,
	.ct_item_ops = &node_ops,
	.ct_attrs = node_attrs,
};

/* What can stand in /dev, in udev's rules and in a QEMU option as it is. */
static int check_name(const char *name)
{
	const char *p;

	if (strlen(name) > VHDB_NODE_NAME_MAX)
		return -ENAMETOOLONG;
	if (!isascii(name[0]) || !isalnum(name[0]))
		return -EINVAL;
	for (p = name; *p; p++)
		if (!isascii(*p) || !(isalnum(*p) || strchr("-_.", *p)))
			return -EINVAL;
	/* The other one in that folder. */
	return strcmp(name, "control") ? 0 : -EEXIST;
}

static struct config_item *make_node(struct config_group *group,
				     const char *name)
{
	struct vhdb_node *node;
	int err = check_name(name);

	if (err)
		return ERR_PTR(err);
	node = kzalloc(sizeof(*node), GFP_KERNEL_ACCOUNT);
	if (!node)
		return ERR_PTR(-ENOMEM);
	mutex_init(&node->lock);
	node->arg.size = sizeof(node->arg);
	node->arg.fd = -1;
	config_item_init_type_name(&node->item, name, &node_type);
	/* A long name is allocated, and whether it was is not told. */
	err = config_item_name(&node->item) ? 0 : -ENOMEM;
	if (!err)
		err = xa_alloc(&nodes, &node->minor, node,
			       XA_LIMIT(0, VHDB_NODES_MAX - 1), GFP_KERNEL);
	if (err) {
		config_item_put(&node->item);
		/* -EBUSY is what rmdir says. */
		return ERR_PTR(err == -EBUSY ? -ENOSPC : err);
	}
	return &node->item;
}

static void drop_node(struct config_group *group, struct config_item *item)
{
	struct vhdb_node *node = to_node(item);

	xa_erase(&nodes, node->minor);
	/* No dependent, so it is not open; and no attribute is in use. */
	vhdb_node_disable(node);
	config_item_put(item);
}

static struct configfs_group_operations root_ops = {
	.make_item = make_node,
	.drop_item = drop_node,
};

static const struct config_item_type root_type = {
	.ct_owner = THIS_MODULE,
	.ct_group_ops = &root_ops,
};

static struct configfs_subsystem subsystem = {
	.su_group.cg_item = {
		.ci_namebuf = "vhost-doorbell",
		.ci_type = &root_type,
	},
};

/**
 * vhdb_node_hold() - find a node, and keep its folder
 * @minor: its number
 *
 * rmdir answers -EBUSY from now on.
 *
 * Context: process.
 * Return: the node, or an ERR_PTR: -ENXIO if there is none, or it is on its way
 * in or out.
 */
struct vhdb_node *vhdb_node_hold(u32 minor)
{
	struct vhdb_node *node;
	int err = -ENXIO;

	/*
	 * "unlocked": made for callers within configfs, whose subsystem cannot
	 * go. Nor can ours, whose module the caller holds. Our mutex keeps the
	 * item in its place, which it takes for granted.
	 */
	mutex_lock(&subsystem.su_mutex);
	node = xa_load(&nodes, minor);
	if (node && !configfs_depend_item_unlocked(&subsystem, &node->item))
		err = 0;
	mutex_unlock(&subsystem.su_mutex);
	return err ? ERR_PTR(err) : node;
}

/**
 * vhdb_node_unhold() - rmdir may have it
 * @node: from vhdb_node_hold(); it may be gone when this returns
 *
 * Context: process.
 */
void vhdb_node_unhold(struct vhdb_node *node)
{
	configfs_undepend_item_unlocked(&node->item);
}

/**
 * vhdb_configfs_init() - at module init
 *
 * Context: process.
 * Return: 0 or -errno.
 */
int __init vhdb_configfs_init(void)
{
	config_group_init(&subsystem.su_group);
	mutex_init(&subsystem.su_mutex);
	return configfs_register_subsystem(&subsystem);
}

/**
 * vhdb_configfs_exit() - at module exit
 *
 * Context: process; there is no node.
 */
void vhdb_configfs_exit(void)
{
	configfs_unregister_subsystem(&subsystem);
}
