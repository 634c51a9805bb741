// SPDX-License-Identifier: GPL-2.0
/*
 * Named nodes: vhdb create, vhdb remove, and what vhdb list says of them. A node
 * is a folder in configfs, its files are what ATTACH gets.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <linux/magic.h>

#include "vhdb.h"

#ifndef CONFIGFS_MAGIC
#define CONFIGFS_MAGIC	0x62656570
#endif

/**
 * struct node - a `vhdb create` on its way
 * @name: the node's name
 * @blk: what it serves
 * @uid: owner, -1 for none given
 * @gid: group, -1 for none given
 * @mode: permissions, -1 for none given
 */
struct node {
	const char *name;
	struct vhdb_blk blk;
	long long uid;
	long long gid;
	long mode;
};

/* One write, as configfs wants it: 0 or errno */
static int set(const char *name, const char *attr, const void *data, size_t len)
{
	char *path = vhdb_printf(VHDB_NODES "/%s/%s", name, attr);
	int fd = open(path, O_WRONLY | O_CLOEXEC), err = 0;

	if (fd < 0 || write(fd, data, len) != (ssize_t)len)
		err = errno;
	if (fd >= 0)
		close(fd);
	free(path);
	return err;
}

static int set_number(const char *name, const char *attr, const char *format,
		      unsigned long long number)
{
	char text[32];
	int err;

	snprintf(text, sizeof(text), format, number);
	err = set(name, attr, text, strlen(text));
	if (err)
		vhdb_error("cannot set '%s' of the node to %s: %s", attr, text,
			   strerror(err));
	return err;
}

/* What the attribute says, without the newline; empty if it cannot be read */
static void get(const char *name, const char *attr, char *text, size_t len)
{
	char *path = vhdb_printf(VHDB_NODES "/%s/%s", name, attr);
	FILE *f = fopen(path, "re");

	if (!f || !fgets(text, len, f))
		*text = '\0';
	text[strcspn(text, "\n")] = '\0';
	if (f)
		fclose(f);
	free(path);
}

static void explain_no_configfs(void)
{
	struct statfs fs;

	if (statfs(VHDB_CONFIGFS, &fs) || fs.f_type != CONFIGFS_MAGIC) {
		vhdb_error("configfs, where nodes are made, is not mounted");
		vhdb_hint("run `modprobe configfs; mount -t configfs none "
			  VHDB_CONFIGFS "` as root");
		return;
	}
	vhdb_error("there is no " VHDB_NODES);
	vhdb_hint("load the vhost_doorbell of this vhdb: an older one has no named nodes");
}

static int add_folder(const char *name)
{
	char *path = vhdb_printf(VHDB_NODES "/%s", name);
	int err = mkdir(path, 0755) ? errno : 0;

	free(path);
	if (!err)
		return 0;
	if (access(VHDB_NODES, F_OK)) {
		explain_no_configfs();
		return -1;
	}
	vhdb_error("cannot make the node '%s': %s", name, strerror(err));
	switch (err) {
	case EEXIST:
		vhdb_hint("the name is taken: see `vhdb list`, and `vhdb remove`");
		break;
	case EINVAL:
		vhdb_hint("letters, digits and '-_.' only, a letter or a digit first");
		break;
	case ENAMETOOLONG:
		vhdb_hint("a name has %d bytes at the most", VHDB_NODE_NAME_MAX);
		break;
	case ENOSPC:
		vhdb_hint("there are as many as there may be: remove some");
		break;
	case EACCES:
	case EPERM:
		vhdb_hint("run vhdb as root");
		break;
	}
	return -1;
}

static int drop(const char *name)
{
	char *path = vhdb_printf(VHDB_NODES "/%s", name);
	int err = rmdir(path) ? errno : 0;

	free(path);
	return err;
}

/* The attributes, in the order of struct vhost_doorbell_attach */
static int fill(const struct node *node,
		const struct vhost_doorbell_attach *attach)
{
	const struct {
		const char *attr;
		unsigned long long value;
	} numbers[] = {
		{ "fd", attach->fd },
		{ "features_allow", attach->features_allow },
		{ "features_require", attach->features_require },
		{ "queues", attach->queues },
		{ "queue_size", attach->queue_size },
		{ "logical_block_size", attach->logical_block_size },
		{ "rate_bytes", attach->rate_bytes },
		{ "burst_bytes", attach->burst_bytes },
		{ "rate_requests", attach->rate_requests },
		{ "burst_requests", attach->burst_requests },
		{ "poll_us", attach->poll_us },
		{ "ro", !!(attach->flags & VHOST_DOORBELL_ATTACH_RO) },
		{ "complete_worker",
		  !!(attach->flags & VHOST_DOORBELL_ATTACH_COMPLETE_WORKER) },
		{ "worker_per_queue",
		  !!(attach->flags & VHOST_DOORBELL_ATTACH_WORKER_PER_QUEUE) },
	};
	const char *name = node->name;
	size_t i;
	int err;

	err = set(name, "backend", attach->backend, strlen(attach->backend));
	err = err ?: set(name, "dialect", "vdpa", 4);
	if (!err && attach->serial[0])
		err = set(name, "serial", attach->serial,
			  strnlen(attach->serial, sizeof(attach->serial)));
	if (err) {
		vhdb_error("cannot set up the node: %s", strerror(err));
		return err;
	}
	for (i = 0; !err && i < ARRAY_SIZE(numbers); i++)
		err = set_number(name, numbers[i].attr, "%llu",
				 numbers[i].value);
	if (node->uid >= 0)
		err = err ?: set_number(name, "uid", "%llu", node->uid);
	if (node->gid >= 0)
		err = err ?: set_number(name, "gid", "%llu", node->gid);
	if (node->mode >= 0)
		err = err ?: set_number(name, "mode", "%04llo", node->mode);
	return err;
}

static int create(struct node *node)
{
	struct vhost_doorbell_attach attach;
	int err;

	if (vhdb_blk_prepare(&node->blk, &attach) < 0)
		return VHDB_EXIT_FAILURE;
	/* That was to ask what the driver can do. */
	close(node->blk.h.device_fd);
	if (add_folder(node->name) < 0) {
		close(attach.fd);
		return VHDB_EXIT_FAILURE;
	}
	err = fill(node, &attach);
	if (!err) {
		err = set(node->name, "enable", "1", 1);
		if (err)
			vhdb_blk_explain(&node->blk, err);
	}
	/* The driver has a reference of its own, with our lock on the image. */
	close(attach.fd);
	if (err) {
		drop(node->name);
		return VHDB_EXIT_FAILURE;
	}
	printf(VHDB_NODE_DIR "/%s\n", node->name);
	return 0;
}

/* A number, or what @lookup makes of a name; -1 after a message */
static long long parse_who(const char *kind, const char *word,
			   long long (*lookup)(const char *name))
{
	unsigned long long id;
	long long found = lookup(word);
	char *end;

	if (found >= 0)
		return found;
	errno = 0;
	id = strtoull(word, &end, 10);
	if (*word >= '0' && *word <= '9' && !*end && !errno && id < UINT32_MAX)
		return id;
	vhdb_error("--owner: there is no %s '%s'", kind, word);
	return -1;
}

static long long user_of(const char *name)
{
	const struct passwd *user = getpwnam(name);

	return user ? user->pw_uid : -1LL;
}

static long long group_of(const char *name)
{
	const struct group *group = getgrnam(name);

	return group ? group->gr_gid : -1LL;
}

/* USER, USER:GROUP or :GROUP */
static int parse_owner(struct node *node, const char *text)
{
	char *user = vhdb_strdup(text), *group = strchr(user, ':');
	int bad = 0;

	if (group)
		*group++ = '\0';
	if (!*user && (!group || !*group)) {
		vhdb_error("--owner: '%s' is not USER, USER:GROUP or :GROUP", text);
		bad = -1;
	}
	if (!bad && *user) {
		node->uid = parse_who("user", user, user_of);
		bad = node->uid < 0 ? -1 : 0;
	}
	if (!bad && group) {
		node->gid = parse_who("group", group, group_of);
		bad = node->gid < 0 ? -1 : 0;
	}
	free(user);
	return bad;
}

static int parse_mode(struct node *node, const char *text)
{
	unsigned long mode;
	char *end;

	errno = 0;
	mode = strtoul(text, &end, 8);
	if (*text < '0' || *text > '7' || *end || errno || !mode ||
	    mode & ~0666UL) {
		vhdb_error("--mode: '%s' is not the octal number of who may read and write (0660)",
			   text);
		return -1;
	}
	node->mode = mode;
	return 0;
}

static int parse(struct node *node, int argc, char **argv)
{
	static const struct option options[] = {
		{ "blk", required_argument, NULL, 'b' },
		{ "owner", required_argument, NULL, 'o' },
		{ "mode", required_argument, NULL, 'm' },
		{ }
	};
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'b' && node->blk.path) {
			vhdb_error("create: a node is one disk: one --blk");
			return -1;
		}
		if ((c == 'b' && vhdb_blk_parse(&node->blk, optarg) < 0) ||
		    (c == 'o' && parse_owner(node, optarg) < 0) ||
		    (c == 'm' && parse_mode(node, optarg) < 0) || c == '?')
			return -1;
	}
	if (optind != argc - 1 || !node->blk.path) {
		vhdb_error("create takes a name and --blk DISK");
		return -1;
	}
	if (node->blk.h.named) {
		vhdb_error("create: 'id=' is for `vhdb run`: a node has its name");
		return -1;
	}
	node->name = argv[optind];
	/* A group that may do nothing is nobody's wish. */
	if (node->mode < 0 && (node->uid >= 0 || node->gid >= 0))
		node->mode = node->gid >= 0 ? 0660 : 0600;
	return 0;
}

/**
 * vhdb_create() - vhdb create
 * @argc: words
 * @argv: the command and its arguments
 *
 * Return: exit status.
 */
int vhdb_create(int argc, char **argv)
{
	struct node node = {
		.blk.h.device_fd = -1,
		.uid = -1,
		.gid = -1,
		.mode = -1,
	};
	int status;

	if (parse(&node, argc, argv) < 0) {
		vhdb_hint("`vhdb --help` shows how");
		status = VHDB_EXIT_USAGE;
	} else {
		status = create(&node);
	}
	free(node.blk.path);
	free(node.blk.serial);
	free(node.blk.h.id);
	return status;
}

/* The process that has the node open: first hand, or who opened it. 0: nobody */
static pid_t user_pid(const struct vhdb_lives *lives, const char *name,
		      const struct vhdb_live **live)
{
	char opener[16];
	size_t i;

	*live = NULL;
	for (i = 0; i < lives->count; i++) {
		if (!strcmp(lives->live[i].node, name)) {
			*live = &lives->live[i];
			return lives->live[i].pid;
		}
	}
	get(name, "opener", opener, sizeof(opener));
	return atoi(opener);
}

static void explain_in_use(const char *name)
{
	const struct vhdb_live *live;
	struct vhdb_lives lives;
	char command[32];
	pid_t pid;

	if (vhdb_scan(&lives) < 0)
		return;
	pid = user_pid(&lives, name, &live);
	free(lives.live);
	if (!pid) {
		vhdb_hint("it was closed just now: try again");
		return;
	}
	vhdb_command_of(pid, command, sizeof(command));
	vhdb_hint("process %d (%s) has it open: stop that first", pid, command);
}

/**
 * vhdb_remove() - vhdb remove
 * @argc: words
 * @argv: the command and its arguments
 *
 * Return: exit status.
 */
int vhdb_remove(int argc, char **argv)
{
	const char *name = argc == 2 ? argv[1] : NULL;
	int err;

	if (!name) {
		vhdb_error("remove takes the name of a node");
		vhdb_hint("`vhdb list` shows them");
		return VHDB_EXIT_USAGE;
	}
	/* It is to be a name, and no path to something else. */
	err = !*name || *name == '.' || strchr(name, '/') ? ENOENT : drop(name);
	if (!err)
		return 0;
	if (access(VHDB_NODES, F_OK)) {
		explain_no_configfs();
		return VHDB_EXIT_FAILURE;
	}
	vhdb_error("cannot remove the node '%s': %s", name, strerror(err));
	if (err == EBUSY)
		explain_in_use(name);
	else if (err == ENOENT)
		vhdb_hint("`vhdb list` shows what there is");
	else if (err == EACCES || err == EPERM)
		vhdb_hint("run vhdb as root");
	return VHDB_EXIT_FAILURE;
}

static void list_one(const char *name, const struct vhdb_lives *lives)
{
	char enable[8], path[4096], device[16] = "-", who[16] = "-";
	const struct vhdb_live *live;
	pid_t pid = user_pid(lives, name, &live);

	get(name, "enable", enable, sizeof(enable));
	get(name, "path", path, sizeof(path));
	if (live)
		snprintf(device, sizeof(device), "%u", live->id);
	if (pid)
		snprintf(who, sizeof(who), "%d", pid);
	printf("%-24s %-8s %6s %8s  %s\n", name,
	       pid ? "in use" : *enable == '1' ? "free" : "off", device, who,
	       *path ? path : "-");
}

/**
 * vhdb_node_list() - the nodes, a line each, if there are any
 * @lives: the devices in use
 */
void vhdb_node_list(const struct vhdb_lives *lives)
{
	struct dirent **entries;
	int i, n = scandir(VHDB_NODES, &entries, NULL, alphasort);
	bool any = false;

	for (i = 0; i < n; i++) {
		if (entries[i]->d_name[0] != '.') {
			if (!any)
				printf("\n%-24s %-8s %6s %8s  %s\n", "node",
				       "state", "device", "pid", "backing");
			any = true;
			list_one(entries[i]->d_name, lives);
		}
		free(entries[i]);
	}
	if (n >= 0)
		free(entries);
}
