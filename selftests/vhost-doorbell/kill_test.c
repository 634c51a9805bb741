// SPDX-License-Identifier: GPL-2.0
/*
 * The ends of an owner, all of them untidy: killed, exiting, replaced by exec,
 * stopped, outlived by a copy of its file, always with requests in flight on a
 * disk that takes its time. After each: nobody hangs, nothing is left pinned,
 * charged or referenced, and the modules can go.
 *
 * Needs null_blk (with configfs), root, and VHDB_MODULES, the folder with our
 * modules, to load them again.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "lib/vhdb_dev.h"
#include "lib/vhdb_mock.h"
#include "lib/vhdb_module.h"
#include "kill_disk.h"
#include "kill_owner.h"

#define KILLS		200	/* of the owner, on a block device */
#define KILLS_FILE	30	/* and on a file */
#define ROUNDS		4	/* of every other end */
#define ROUNDS_FILE	2

#define CORE		VHDB_MODULE_CORE
#define BLK		VHDB_MODULE_BLK

/*
 * Long enough to be caught in flight, also on a machine where all that a test
 * does takes longer; short enough for hundreds of rounds
 */
#define DELAY_US	(10000 * vhdb_scale())

/* MemAvailable may drift by as much, with all that goes on beside us */
#define LEAK_KB		(48 * 1024)

/* A test that hangs is ended by its own bounded waits long before this */
#define TEST_SECONDS	1200

/* ---- what must be the same before and after ---- */

static long slab_objects(const char *cache)
{
	char path[128];

	/* Without this what each processor keeps for itself counts as used */
	snprintf(path, sizeof(path), "/sys/kernel/slab/%s/shrink", cache);
	vhdb_write_file(path, "1");
	return vhdb_file_value("/proc/slabinfo", cache, 0);
}

static long mem_available_kb(void)
{
	vhdb_write_file("/proc/sys/vm/drop_caches", "3");
	return vhdb_file_value("/proc/meminfo", "MemAvailable:", 0);
}

/* Memory that a living process is charged for as locked or pinned, in kB */
static long locked_kb(pid_t pid)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	return vhdb_file_value(path, "VmLck:", 0) +
	       vhdb_file_value(path, "VmPin:", 0);
}

/* Is there a worker left that isn't a thread of its owner (Linux 6.1)? */
static bool worker_left(void)
{
	char path[300], comm[32];
	struct dirent *entry;
	bool found = false;
	DIR *dir = opendir("/proc");

	while (dir && !found && (entry = readdir(dir))) {
		snprintf(path, sizeof(path), "/proc/%s/comm", entry->d_name);
		if (entry->d_name[0] < '0' || entry->d_name[0] > '9')
			continue;
		vhdb_read_file(path, comm, sizeof(comm));
		found = !strncmp(comm, "vhdb-", 5);
	}
	if (dir)
		closedir(dir);
	return found;
}

/* ---- the test's side ---- */

FIXTURE(kill) {
	struct rig rig;
};

FIXTURE_VARIANT(kill) {
	bool file;		/* served through a file: another way down */
	unsigned int kills;
	unsigned int rounds;
};

FIXTURE_VARIANT_ADD(kill, blkdev) {
	.file = false,
	.kills = KILLS,
	.rounds = ROUNDS,
};

FIXTURE_VARIANT_ADD(kill, file) {
	.file = true,
	.kills = KILLS_FILE,
	.rounds = ROUNDS_FILE,
};

static int make_file(struct rig *rig)
{
	static char zeros[1024 * 1024];
	unsigned int i;
	int fd, ret = 0;

	snprintf(rig->file, sizeof(rig->file), "%s/disk", rig->nullb.dir);
	fd = open(rig->file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	/* Written, so that later writes neither allocate nor convert */
	for (i = 0; !ret && i < 4; i++)
		if (write(fd, zeros, sizeof(zeros)) != sizeof(zeros))
			ret = -EIO;
	if (!ret && fsync(fd))
		ret = -errno;
	close(fd);
	rig->path = rig->file;
	return ret;
}

FIXTURE_SETUP(kill)
{
	const char *seed = getenv("VHDB_SEED");
	struct rig *rig = &self->rig;
	int ret;

	rig->sockets[0] = -1;
	rig->sockets[1] = -1;
	rig->rounds = variant->rounds;
	rig->kills = vhdb_rounds(variant->kills);
	rig->seed = seed ? strtoul(seed, NULL, 0) : 1;
	ASSERT_EQ(0, geteuid());
	ASSERT_TRUE(vhdb_present());

	/* A file system is made there first */
	rig->delay_us = variant->file ? DELAY_US / 2 : DELAY_US;
	ret = nullb_create(&rig->nullb, rig->delay_us, variant->file);
	if (ret)
		SKIP(return, "no null_blk: %s", strerror(-ret));
	rig->path = rig->nullb.path;
	if (variant->file) {
		ret = nullb_mount(&rig->nullb) ?: make_file(rig);
		if (ret) {
			nullb_destroy(&rig->nullb);
			SKIP(return, "no ext4 on null_blk: %s", strerror(-ret));
		}
	}

	rig->shared = mmap(NULL, sizeof(*rig->shared), PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, rig->shared);
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0,
				rig->sockets));
	rig->pins = vhdb_pins_held();
}

FIXTURE_TEARDOWN(kill)
{
	static const char * const back_ends[] = {
		BLK, VHDB_MODULE_BELL, VHDB_MODULE_COPY, VHDB_MODULE_NET,
	};
	struct rig *rig = &self->rig;
	unsigned int i;

	if (!vhdb_module_loaded(CORE))
		vhdb_module_load(CORE);
	/* The test of unloading took them all */
	for (i = 0; i < ARRAY_SIZE(back_ends); i++)
		if (!vhdb_module_loaded(back_ends[i]))
			vhdb_module_load(back_ends[i]);
	close(rig->sockets[0]);
	close(rig->sockets[1]);
	nullb_destroy(&rig->nullb);
}

/* Reproducible, and good enough to spread moments */
static unsigned int random_below(struct rig *rig, unsigned int limit)
{
	rig->seed ^= rig->seed << 13;
	rig->seed ^= rig->seed >> 17;
	rig->seed ^= rig->seed << 5;
	return limit ? rig->seed % limit : 0;
}

typedef void (*child_fn)(struct rig *rig, unsigned int round);

/* A child that does @fn; what it reported before is forgotten */
static pid_t spawn(struct rig *rig, child_fn fn, unsigned int round)
{
	pid_t pid;

	memset(rig->shared, 0, sizeof(*rig->shared));
	pid = fork();
	if (!pid) {
		/* Should the test be killed, its children go with it */
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		fn(rig, round);
		_exit(0);
	}
	return pid;
}

/* Where the threads of a process that should be gone stand */
static void show_process(struct __test_metadata *_metadata, pid_t pid)
{
	char path[300], text[1024];
	struct dirent *entry;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	dir = opendir(path);
	while (dir && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "/proc/%d/task/%s/stat", pid,
			 entry->d_name);
		vhdb_read_file(path, text, sizeof(text));
		TH_LOG("hangs: %.60s", text);
		snprintf(path, sizeof(path), "/proc/%d/task/%s/stack", pid,
			 entry->d_name);
		vhdb_read_file(path, text, sizeof(text));
		TH_LOG("%s", text);
	}
	if (dir)
		closedir(dir);
}

/* Wait for the end of a child: its status; the test fails if it hangs */
static int end_of(struct __test_metadata *_metadata, struct rig *rig, pid_t pid)
{
	int status = -1;
	bool ended = vhdb_wait_for(waitpid(pid, &status, WNOHANG) == pid);

	if (!ended)
		show_process(_metadata, pid);
	EXPECT_TRUE(ended);
	EXPECT_EQ(0, rig->shared->line);
	return status;
}

static void expect_killed(struct __test_metadata *_metadata, struct rig *rig,
			  pid_t pid)
{
	int status = end_of(_metadata, rig, pid);

	EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) {
		TH_LOG("status 0x%x", status);
	}
}

static void expect_exited(struct __test_metadata *_metadata, struct rig *rig,
			  pid_t pid)
{
	int status = end_of(_metadata, rig, pid);

	EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) {
		TH_LOG("status 0x%x", status);
	}
}

/* Wait for a child to get somewhere; false if it fails or takes too long */
static bool wait_phase(struct rig *rig, enum phase wanted)
{
	return vhdb_wait_for(phase(rig->shared) >= wanted ||
			     rig->shared->line) && !rig->shared->line;
}

static void go(struct rig *rig)
{
	__atomic_store_n(&rig->shared->go, 1, __ATOMIC_RELEASE);
}

/* Nobody uses the driver now, and nothing of its users is left */
static void expect_quiet(struct __test_metadata *_metadata, struct rig *rig)
{
	EXPECT_TRUE(vhdb_wait_for(!vhdb_module_users(BLK))) {
		TH_LOG("%s has %ld users", BLK, vhdb_module_users(BLK));
	}
	EXPECT_TRUE(vhdb_wait_for(!vhdb_module_users(CORE))) {
		TH_LOG("%s has %ld users", CORE, vhdb_module_users(CORE));
	}
	EXPECT_TRUE(vhdb_wait_for(!nullb_inflight(&rig->nullb)));
}

static void expect_no_leak(struct __test_metadata *_metadata, struct rig *rig)
{
	expect_quiet(_metadata, rig);
	EXPECT_TRUE(vhdb_wait_for(vhdb_pins_held() == rig->pins)) {
		TH_LOG("%ld pages are still pinned", vhdb_pins_held() - rig->pins);
	}
	EXPECT_TRUE(vhdb_wait_for(!worker_left()));
}

/* ---- killed, at any moment ---- */

/* Half of the rounds with requests in flight, half of them earlier */
static void wait_for_moment(struct __test_metadata *_metadata, struct rig *rig,
			    unsigned int round, unsigned int *setup_us)
{
	__u64 start = vhdb_now_ms();

	if (round & 1) {
		EXPECT_TRUE(wait_phase(rig, SUBMITTED));
		*setup_us = (vhdb_now_ms() - start) * 1000;
		usleep(random_below(rig, 2 * rig->delay_us));
	} else if (round / 2 % 3) {
		EXPECT_TRUE(wait_phase(rig, round / 2 % 3));
		usleep(random_below(rig, rig->delay_us / 10));
	} else {
		usleep(random_below(rig, *setup_us));
	}
}

TEST_F_TIMEOUT(kill, sigkill, TEST_SECONDS)
{
	unsigned int round, caught = 0, seen[PHASES] = { 0 }, setup_us = 20000;
	long mms = 0, available = 0;
	struct rig *rig = &self->rig;
	pid_t pid;

	TH_LOG("VHDB_SEED=%u", rig->seed);
	for (round = 0; round < rig->kills; round++) {
		/* What is allocated once and kept is there by then */
		if (round == rig->kills / 10) {
			mms = slab_objects("mm_struct");
			available = mem_available_kb();
		}
		pid = spawn(rig, owner_works, round);
		ASSERT_LE(0, pid);
		wait_for_moment(_metadata, rig, round, &setup_us);
		caught += nullb_inflight(&rig->nullb) > 0;
		seen[phase(rig->shared)]++;
		ASSERT_EQ(0, kill(pid, SIGKILL));
		expect_killed(_metadata, rig, pid);
		expect_quiet(_metadata, rig);
		if (_metadata->exit_code) {
			TH_LOG("in round %u", round);
			break;
		}
	}
	TH_LOG("killed when born %u, created %u, started %u, submitted %u times,",
	       seen[BORN], seen[CREATED], seen[STARTED], seen[SUBMITTED]);
	TH_LOG("with I/O in flight %u times", caught);
	/*
	 * Or the test doesn't do what it is for. A quarter of the owners are
	 * never without: see owner_works().
	 */
	EXPECT_LE(rig->kills / 8, caught);

	expect_no_leak(_metadata, rig);
	/* A leak would have at least one of each in most of the rounds */
	EXPECT_GE(mms + rig->kills / 2, slab_objects("mm_struct")) {
		TH_LOG("mm_struct: %ld, now %ld", mms,
		       slab_objects("mm_struct"));
	}
	EXPECT_LE(available - LEAK_KB, mem_available_kb()) {
		TH_LOG("MemAvailable: %ld kB, now %ld kB", available,
		       mem_available_kb());
	}
}

/* ---- an owner that ends by itself ---- */

static void ends_by_itself(struct __test_metadata *_metadata, struct rig *rig,
			   child_fn fn)
{
	unsigned int round;
	pid_t pid;

	for (round = 0; round < rig->rounds; round++) {
		pid = spawn(rig, fn, round);
		ASSERT_LE(0, pid);
		expect_exited(_metadata, rig, pid);
		expect_quiet(_metadata, rig);
	}
	expect_no_leak(_metadata, rig);
}

static void owner_exits(struct rig *rig, unsigned int round)
{
	struct vhdb_disk disk;

	child_start(rig, &disk, round);
	child_submit(rig, &disk);
	_exit(0);
}

TEST_F_TIMEOUT(kill, exit_without_close, TEST_SECONDS)
{
	ends_by_itself(_metadata, &self->rig, owner_exits);
}

/* It closes and lives on: what it was charged for is given back */
static void owner_closes(struct rig *rig, unsigned int round)
{
	long before = locked_kb(getpid());
	struct vhdb_disk disk;

	child_start(rig, &disk, round);
	CHILD_EXPECT(rig->shared, true, locked_kb(getpid()) > before);
	child_submit(rig, &disk);
	close(disk.dev.fd);
	CHILD_EXPECT(rig->shared, before, locked_kb(getpid()));
}

TEST_F_TIMEOUT(kill, close_gives_locked_memory_back, TEST_SECONDS)
{
	ends_by_itself(_metadata, &self->rig, owner_closes);
}

/* The new program doesn't get the file */
static void owner_execs(struct rig *rig, unsigned int round)
{
	struct vhdb_disk disk;

	child_start(rig, &disk, round);
	fcntl(disk.dev.fd, F_SETFD, FD_CLOEXEC);
	child_submit(rig, &disk);
	execl("/proc/self/exe", "kill_test", "--true", NULL);
	child_fails(rig->shared, -errno, __LINE__);
}

TEST_F_TIMEOUT(kill, exec_closes, TEST_SECONDS)
{
	ends_by_itself(_metadata, &self->rig, owner_execs);
}

/*
 * The new program has the file, but not the memory: it is a stranger, though
 * it is the same process. See hold() for what it does.
 */
static void owner_execs_holder(struct rig *rig, unsigned int round)
{
	struct vhdb_disk disk;
	char number[16];

	child_start(rig, &disk, round);
	fcntl(disk.dev.fd, F_SETFD, 0);
	snprintf(number, sizeof(number), "%d", disk.dev.fd);
	child_submit(rig, &disk);
	execl("/proc/self/exe", "kill_test", "--hold", number, NULL);
	child_fails(rig->shared, -errno, __LINE__);
}

TEST_F_TIMEOUT(kill, exec_keeps, TEST_SECONDS)
{
	ends_by_itself(_metadata, &self->rig, owner_execs_holder);
}

/* A fork's copy of the file is closed, and the owner's requests go on */
static void owner_forks(struct rig *rig, unsigned int round)
{
	struct vhdb_disk disk;
	int n, status = -1;
	pid_t copy;

	child_start(rig, &disk, round);
	n = child_submit(rig, &disk);
	copy = fork();
	CHILD_CHECK(rig->shared, copy);
	if (!copy) {
		stranger_checks(rig->shared, disk.dev.fd);
		close(disk.dev.fd);
		_exit(0);
	}
	waitpid(copy, &status, 0);
	CHILD_EXPECT(rig->shared, 0, status);
	/* Pinned pages weren't shared with the copy: it is still the same ring */
	child_reap(rig, &disk, n);
	n = child_submit(rig, &disk);
	child_reap(rig, &disk, n);
	vhdb_disk_destroy(&disk);
}

TEST_F_TIMEOUT(kill, forked_copy_closed, TEST_SECONDS)
{
	ends_by_itself(_metadata, &self->rig, owner_forks);
}

/* ---- a file that has more than one holder ---- */

/* An owner that passes the file on */
static void owner_passes(struct rig *rig, unsigned int round)
{
	struct vhdb_disk disk;

	child_start(rig, &disk, round);
	child_submit(rig, &disk);
	CHILD_CHECK(rig->shared, send_fd(rig->sockets[0], disk.dev.fd));
	reach(rig->shared, PASSED);
	child_wait_go(rig->shared);
	/* Now the other one has the last copy, and closes it */
	close(disk.dev.fd);
	reach(rig->shared, DONE);
	for (;;)
		pause();
}

/* Has the file, then a look, then closes it; each when the test says so */
static int holder_start(struct __test_metadata *_metadata, struct rig *rig,
			int pipe_fds[2])
{
	pid_t pid;
	char c;
	int fd;

	ASSERT_EQ(0, pipe(pipe_fds));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(pipe_fds[1]);
		fd = receive_fd(rig->sockets[1]);
		CHILD_CHECK(rig->shared, fd);
		while (read(pipe_fds[0], &c, 1) == 1) {
			stranger_checks(rig->shared, fd);
			stranger_waits_for_end(rig->shared, fd);
		}
		close(fd);
		_exit(0);
	}
	close(pipe_fds[0]);
	return pid;
}

/* The owner dies, the other one looks, and closes it later */
TEST_F_TIMEOUT(kill, passed_file_outlives_owner, TEST_SECONDS)
{
	struct rig *rig = &self->rig;
	int holder_pipe[2];
	pid_t owner, holder;
	unsigned int round;

	for (round = 0; round < rig->rounds; round++) {
		owner = spawn(rig, owner_passes, round);
		ASSERT_LE(0, owner);
		holder = holder_start(_metadata, rig, holder_pipe);
		EXPECT_TRUE(wait_phase(rig, PASSED));
		ASSERT_EQ(0, kill(owner, SIGKILL));
		expect_killed(_metadata, rig, owner);
		/* The file is open still */
		EXPECT_EQ(1, vhdb_module_users(BLK));
		EXPECT_EQ(1, write(holder_pipe[1], "c", 1));
		close(holder_pipe[1]);
		expect_exited(_metadata, rig, holder);
		expect_quiet(_metadata, rig);
	}
	expect_no_leak(_metadata, rig);
}

/* The owner has closed its copy and lives on; its charges go with the last */
TEST_F_TIMEOUT(kill, passed_file_closed_under_owner, TEST_SECONDS)
{
	struct rig *rig = &self->rig;
	int holder_pipe[2];
	pid_t owner, holder;
	unsigned int round;

	for (round = 0; round < rig->rounds; round++) {
		owner = spawn(rig, owner_passes, round);
		ASSERT_LE(0, owner);
		holder = holder_start(_metadata, rig, holder_pipe);
		EXPECT_TRUE(wait_phase(rig, PASSED));
		go(rig);
		EXPECT_TRUE(wait_phase(rig, DONE));
		EXPECT_LT(0, locked_kb(owner));
		close(holder_pipe[1]);
		expect_exited(_metadata, rig, holder);
		expect_quiet(_metadata, rig);
		EXPECT_EQ(0, locked_kb(owner));
		ASSERT_EQ(0, kill(owner, SIGKILL));
		expect_killed(_metadata, rig, owner);
	}
	expect_no_leak(_metadata, rig);
}

/*
 * The last copy is closed while the owner, and with it perhaps the worker, is
 * stopped. That may have to wait for the owner to go on, or to die, but no
 * longer.
 */
TEST_F_TIMEOUT(kill, passed_file_closed_while_stopped, TEST_SECONDS)
{
	struct rig *rig = &self->rig;
	int holder_pipe[2], status;
	pid_t owner, holder;
	unsigned int round;

	for (round = 0; round < rig->rounds; round++) {
		owner = spawn(rig, owner_passes, round);
		ASSERT_LE(0, owner);
		holder = holder_start(_metadata, rig, holder_pipe);
		EXPECT_TRUE(wait_phase(rig, PASSED));
		go(rig);
		EXPECT_TRUE(wait_phase(rig, DONE));
		ASSERT_EQ(0, kill(owner, SIGSTOP));
		ASSERT_EQ(owner, waitpid(owner, &status, WUNTRACED));
		EXPECT_TRUE(WIFSTOPPED(status));
		close(holder_pipe[1]);
		usleep(2 * rig->delay_us);
		ASSERT_EQ(0, kill(owner, round & 1 ? SIGCONT : SIGKILL));
		expect_exited(_metadata, rig, holder);
		expect_quiet(_metadata, rig);
		kill(owner, SIGKILL);
		expect_killed(_metadata, rig, owner);
	}
	expect_no_leak(_metadata, rig);
}

/* A fork has the file, and all that the owner had, but is not the owner */
static void owner_forks_holder(struct rig *rig, unsigned int round)
{
	struct vhdb_disk disk;
	pid_t copy;

	child_start(rig, &disk, round);
	child_submit(rig, &disk);
	copy = fork();
	CHILD_CHECK(rig->shared, copy);
	if (!copy) {
		child_wait_go(rig->shared);
		stranger_checks(rig->shared, disk.dev.fd);
		stranger_waits_for_end(rig->shared, disk.dev.fd);
		_exit(0);
	}
	rig->shared->copy = copy;
	reach(rig->shared, PASSED);
	for (;;)
		pause();
}

TEST_F_TIMEOUT(kill, forked_copy_outlives_owner, TEST_SECONDS)
{
	struct rig *rig = &self->rig;
	unsigned int round;
	pid_t pid;

	/* The copy becomes our child when its parent is gone */
	ASSERT_EQ(0, prctl(PR_SET_CHILD_SUBREAPER, 1));
	for (round = 0; round < rig->rounds; round++) {
		pid = spawn(rig, owner_forks_holder, round);
		ASSERT_LE(0, pid);
		EXPECT_TRUE(wait_phase(rig, PASSED));
		ASSERT_EQ(0, kill(pid, SIGKILL));
		expect_killed(_metadata, rig, pid);
		EXPECT_EQ(1, vhdb_module_users(BLK));
		go(rig);
		expect_exited(_metadata, rig, rig->shared->copy);
		expect_quiet(_metadata, rig);
	}
	expect_no_leak(_metadata, rig);
}

/* ---- stopped ---- */

static void owner_finishes(struct rig *rig, unsigned int round)
{
	struct vhdb_disk disk;
	int n;

	child_start(rig, &disk, round);
	n = child_submit(rig, &disk);
	child_wait_go(rig->shared);
	child_reap(rig, &disk, n);
	n = child_submit(rig, &disk);
	child_reap(rig, &disk, n);
	vhdb_disk_destroy(&disk);
}

static void stop_while_busy(struct __test_metadata *_metadata, struct rig *rig,
			    pid_t pid)
{
	int status;

	EXPECT_TRUE(wait_phase(rig, SUBMITTED));
	usleep(random_below(rig, rig->delay_us));
	ASSERT_EQ(0, kill(pid, SIGSTOP));
	ASSERT_EQ(pid, waitpid(pid, &status, WUNTRACED));
	EXPECT_TRUE(WIFSTOPPED(status));
	usleep(3 * rig->delay_us);
}

/* Whether or not it was served meanwhile, nothing is lost */
TEST_F_TIMEOUT(kill, stop_and_continue, TEST_SECONDS)
{
	struct rig *rig = &self->rig;
	unsigned int round;
	pid_t pid;

	for (round = 0; round < rig->rounds; round++) {
		pid = spawn(rig, owner_finishes, round);
		ASSERT_LE(0, pid);
		stop_while_busy(_metadata, rig, pid);
		go(rig);
		ASSERT_EQ(0, kill(pid, SIGCONT));
		expect_exited(_metadata, rig, pid);
		expect_quiet(_metadata, rig);
	}
	expect_no_leak(_metadata, rig);
}

TEST_F_TIMEOUT(kill, stop_and_kill, TEST_SECONDS)
{
	struct rig *rig = &self->rig;
	unsigned int round;
	pid_t pid;

	for (round = 0; round < rig->rounds; round++) {
		pid = spawn(rig, owner_works, round | 4);
		ASSERT_LE(0, pid);
		stop_while_busy(_metadata, rig, pid);
		ASSERT_EQ(0, kill(pid, SIGKILL));
		expect_killed(_metadata, rig, pid);
		expect_quiet(_metadata, rig);
	}
	expect_no_leak(_metadata, rig);
}

/* ---- modules ---- */

TEST_F_TIMEOUT(kill, unload_and_reload, TEST_SECONDS)
{
	const struct vhdb_opts opts = { 0 };
	struct rig *rig = &self->rig;
	int dev, round;
	pid_t pid;

	if (!vhdb_module_loaded(CORE) || !vhdb_module_loaded(BLK))
		SKIP(return, "the driver is built into the kernel");
	if (!vhdb_module_at_hand(CORE) || !vhdb_module_at_hand(BLK))
		SKIP(return, "VHDB_MODULES doesn't say where the modules are");

	for (round = 0; round < 2; round++) {
		/* Attached: neither module can go */
		dev = vhdb_open();
		ASSERT_LE(0, dev);
		ASSERT_EQ(0, vhdb_attach_blk_path(dev, rig->path, &opts));
		EXPECT_TRUE(vhdb_module_refused(vhdb_module_delete(BLK)));
		EXPECT_TRUE(vhdb_module_refused(vhdb_module_delete(CORE)));
		close(dev);

		/* The owner at work: the same */
		pid = spawn(rig, owner_works, round | 4);
		ASSERT_LE(0, pid);
		EXPECT_TRUE(wait_phase(rig, SUBMITTED));
		EXPECT_TRUE(vhdb_module_refused(vhdb_module_delete(BLK)));
		EXPECT_TRUE(vhdb_module_refused(vhdb_module_delete(CORE)));
		ASSERT_EQ(0, kill(pid, SIGKILL));
		expect_killed(_metadata, rig, pid);
		expect_no_leak(_metadata, rig);

		/* Open, not attached: the back end may go, the core may not */
		dev = vhdb_open();
		ASSERT_LE(0, dev);
		EXPECT_TRUE(vhdb_module_refused(vhdb_module_delete(CORE)));
		ASSERT_EQ(0, vhdb_module_delete(BLK));
		EXPECT_TRUE(vhdb_module_refused(vhdb_module_delete(CORE)));
		close(dev);
		/* The other back ends, which stand on the core, too */
		ASSERT_EQ(0, vhdb_module_delete_holders(CORE));
		ASSERT_TRUE(vhdb_wait_for(!vhdb_module_users(CORE)));
		ASSERT_EQ(0, vhdb_module_delete(CORE));
		EXPECT_FALSE(vhdb_present());

		/* And they come back to work */
		ASSERT_EQ(0, vhdb_module_load(CORE));
		ASSERT_EQ(0, vhdb_module_load(BLK));
		ASSERT_TRUE(vhdb_wait_for(vhdb_present()));
		pid = spawn(rig, owner_finishes, round);
		ASSERT_LE(0, pid);
		go(rig);
		expect_exited(_metadata, rig, pid);
		expect_no_leak(_metadata, rig);
	}
}

/* What exec_keeps turns an owner into */
static int hold(int dev)
{
	struct shared shared = { 0 };

	stranger_checks(&shared, dev);
	stranger_waits_for_end(&shared, dev);
	close(dev);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "--true"))
		return 0;
	if (argc == 3 && !strcmp(argv[1], "--hold"))
		return hold(atoi(argv[2]));
	return test_harness_run(argc, argv);
}
