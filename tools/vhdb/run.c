// SPDX-License-Identifier: GPL-2.0
/* vhdb run: attach disks and network interfaces, and hand them to a QEMU. */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "vhdb.h"

/**
 * struct run - a `vhdb run` on its way
 * @blks: the disks
 * @nr_blks: how many
 * @nets: the network interfaces
 * @nr_nets: how many
 * @handed: all of them, as QEMU is handed them
 * @count: how many
 * @stats_path: --stats: a file or "-"; NULL for none
 * @quiet: do not print the line
 * @argv: what to run, NULL-terminated
 * @argc: words in @argv
 */
struct run {
	struct vhdb_blk **blks;
	size_t nr_blks;
	struct vhdb_net **nets;
	size_t nr_nets;
	struct vhdb_handed **handed;
	size_t count;
	const char *stats_path;
	bool quiet;
	char **argv;
	size_t argc;
};

/* @array of @count pointers, with one more. */
static void *more(void *array, size_t count, void *element)
{
	void **longer = realloc(array, (count + 1) * sizeof(*longer));

	if (!longer)
		vhdb_out_of_memory();
	longer[count] = element;
	return longer;
}

static int hand(struct run *run, struct vhdb_handed *h)
{
	size_t i;

	for (i = 0; i < run->count; i++) {
		if (!strcmp(run->handed[i]->id, h->id)) {
			vhdb_error("run: two devices have the id '%s'", h->id);
			return -1;
		}
	}
	run->handed = more(run->handed, run->count++, h);
	return 0;
}

static int add_blk(struct run *run, const char *spec)
{
	struct vhdb_blk *blk = vhdb_alloc(1, sizeof(*blk));

	blk->h.id = vhdb_printf("blk%zu", run->nr_blks);
	blk->h.device_fd = -1;
	run->blks = more(run->blks, run->nr_blks++, blk);
	return vhdb_blk_parse(blk, spec) < 0 ? -1 : hand(run, &blk->h);
}

static int add_net(struct run *run, const char *spec)
{
	struct vhdb_net *net = vhdb_alloc(1, sizeof(*net));

	net->h.id = vhdb_printf("net%zu", run->nr_nets);
	net->h.device_fd = -1;
	run->nets = more(run->nets, run->nr_nets++, net);
	return vhdb_net_parse(net, spec) < 0 ? -1 : hand(run, &net->h);
}

/* Copy the command's words, with room for what is added: NULL-terminated. */
static void copy_command(struct run *run, int argc, char **argv)
{
	int i;

	/* per device: -add-fd X -device Y */
	run->argv = vhdb_alloc(argc + 4 * run->count + 1, sizeof(*run->argv));
	for (i = 0; i < argc; i++)
		run->argv[i] = vhdb_strdup(argv[i]);
	run->argc = argc;
}

/* The lowest number that no set of the user's own -add-fd options has. */
static unsigned int free_fdset(const struct run *run)
{
	unsigned int lowest = 1;
	size_t i;

	for (i = 0; i + 1 < run->argc; i++) {
		const char *set;

		if (strcmp(run->argv[i], "-add-fd") &&
		    strcmp(run->argv[i], "--add-fd"))
			continue;
		set = strstr(run->argv[i + 1], "set=");
		if (set && strtoul(set + 4, NULL, 0) >= lowest)
			lowest = strtoul(set + 4, NULL, 0) + 1;
	}
	return lowest;
}

/* Replace every %id% in *@word. Return: whether there was one. */
static bool fill_placeholder(char **word, const struct vhdb_handed *h)
{
	char *mark = vhdb_printf("%%%s%%", h->id);
	bool found = false;
	char *at;

	/* what is filled in holds no mark, so this ends */
	while ((at = strstr(*word, mark))) {
		char *filled = vhdb_printf("%.*s/dev/fdset/%u%s",
					   (int)(at - *word), *word, h->fdset,
					   at + strlen(mark));

		free(*word);
		*word = filled;
		found = true;
	}
	free(mark);
	return found;
}

/* Fill the placeholders, and add the options of each device. */
static void complete_command(struct run *run)
{
	unsigned int set = free_fdset(run);
	size_t words = run->argc, i, b;

	for (b = 0; b < run->count; b++) {
		struct vhdb_handed *h = run->handed[b];

		h->fdset = set++;
		for (i = 1; i < words; i++) {
			if (fill_placeholder(&run->argv[i], h))
				h->placed = true;
		}

		run->argv[run->argc++] = vhdb_strdup("-add-fd");
		run->argv[run->argc++] = vhdb_printf("fd=%d,set=%u,opaque=%s",
						     h->device_fd, h->fdset,
						     h->id);
		if (h->placed)
			continue;

		run->argv[run->argc++] = vhdb_strdup("-device");
		run->argv[run->argc++] =
			vhdb_printf("vhost-vdpa-device-pci,vhostdev=/dev/fdset/%u%s%s",
				    h->fdset, h->named ? ",id=" : "",
				    h->named ? h->id : "");
	}
}

static void print_command(const struct run *run)
{
	size_t i;

	for (i = 0; i < run->argc; i++) {
		if (i)
			fputc(' ', stderr);
		vhdb_print_quoted(stderr, run->argv[i]);
	}
	fputc('\n', stderr);
}

/* Become the program. Comes back only if that fails. */
static int execute(const struct run *run)
{
	int err;

	execvp(run->argv[0], run->argv);
	err = errno;
	vhdb_error("cannot run '%s': %s", run->argv[0], strerror(err));
	if (err == ENOENT) {
		vhdb_hint("install QEMU 8 or later, or give its path");
		return VHDB_EXIT_NOT_FOUND;
	}
	return VHDB_EXIT_CANNOT_RUN;
}

/*
 * Stay beside the program, with the files open, to show the counters: when it
 * ends, and on SIGUSR1. Its memory is not kept: the driver lets go of that as
 * soon as its owner is gone.
 */
static int execute_with_stats(const struct run *run)
{
	FILE *out = stderr;
	sigset_t watched, before;
	int status = 0, sig;
	pid_t child;

	if (strcmp(run->stats_path, "-")) {
		out = fopen(run->stats_path, "we");
		if (!out) {
			vhdb_error("cannot write '%s': %s", run->stats_path,
				   strerror(errno));
			return VHDB_EXIT_FAILURE;
		}
	}

	sigemptyset(&watched);
	sigaddset(&watched, SIGCHLD);
	sigaddset(&watched, SIGUSR1);
	sigaddset(&watched, SIGHUP);
	sigaddset(&watched, SIGTERM);
	sigaddset(&watched, SIGINT);
	sigaddset(&watched, SIGQUIT);
	sigprocmask(SIG_BLOCK, &watched, &before);

	child = fork();
	if (child < 0) {
		vhdb_error("cannot start a process: %s", strerror(errno));
		return VHDB_EXIT_FAILURE;
	}
	if (child == 0) {
		sigprocmask(SIG_SETMASK, &before, NULL);
		_exit(execute(run));
	}

	vhdb_stats_print(out, "begin", run->handed, run->count);
	for (;;) {
		if (sigwait(&watched, &sig))
			continue;
		if (sig == SIGUSR1)
			vhdb_stats_print(out, "asked for", run->handed, run->count);
		/* the terminal sends the other two to the child itself */
		if (sig == SIGHUP || sig == SIGTERM)
			kill(child, sig);
		if (sig == SIGCHLD && waitpid(child, &status, WNOHANG) == child)
			break;
	}
	vhdb_stats_print(out, "end", run->handed, run->count);

	if (WIFSIGNALED(status)) {
		vhdb_error("'%s' was ended by signal %d (%s)", run->argv[0],
			   WTERMSIG(status), strsignal(WTERMSIG(status)));
		return 128 + WTERMSIG(status);
	}
	return WEXITSTATUS(status);
}

static int parse(struct run *run, int argc, char **argv)
{
	static const struct option options[] = {
		{ "blk", required_argument, NULL, 'b' },
		{ "net", required_argument, NULL, 'n' },
		{ "stats", required_argument, NULL, 's' },
		{ "quiet", no_argument, NULL, 'q' },
		{ }
	};
	int c;

	while ((c = getopt_long(argc, argv, "+q", options, NULL)) != -1) {
		switch (c) {
		case 'b':
			if (add_blk(run, optarg) < 0)
				return -1;
			break;
		case 'n':
			if (add_net(run, optarg) < 0)
				return -1;
			break;
		case 's':
			run->stats_path = optarg;
			break;
		case 'q':
			run->quiet = true;
			break;
		default:
			return -1;
		}
	}

	if (!run->count) {
		vhdb_error("run: no device: give --blk PATH or --net TAP");
		return -1;
	}
	if (optind == argc) {
		vhdb_error("run: nothing to run: give `-- qemu-system-x86_64 ...` at the end");
		return -1;
	}
	copy_command(run, argc - optind, argv + optind);
	return 0;
}

/* The `run` subcommand. Its memory is the process's, which ends or execs. */
int vhdb_run(int argc, char **argv)
{
	struct run run = { };
	size_t i;

	if (parse(&run, argc, argv) < 0) {
		vhdb_hint("`vhdb --help` shows how");
		return VHDB_EXIT_USAGE;
	}

	if (vhdb_kvm_check(run.argv, run.argc) < 0)
		return VHDB_EXIT_FAILURE;

	for (i = 0; i < run.nr_blks; i++) {
		if (vhdb_blk_attach(run.blks[i]) < 0)
			return VHDB_EXIT_FAILURE;
	}
	for (i = 0; i < run.nr_nets; i++) {
		if (vhdb_net_attach(run.nets[i]) < 0)
			return VHDB_EXIT_FAILURE;
	}

	complete_command(&run);
	if (!run.quiet)
		print_command(&run);
	return run.stats_path ? execute_with_stats(&run) : execute(&run);
}
