// SPDX-License-Identifier: GPL-2.0
/*
 * What a notification costs: a guest of a few instructions rings a doorbell
 * and times each ring itself, along every path that a ring can take.
 *
 * Each round runs every row, in another order than the round before, and
 * writes its figures down as they are; tools/bench/report makes medians,
 * ratios and a chart of them. A row that is not what it says (a ring that was
 * lost, an exit too many) is a failure: its figures would be of something else.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "notify_rows.h"

#define ROWS_MAX	64

static const char usage_text[] =
"usage: notify_bench [OPTION...] [ROW...]\n"
"\n"
"Rings along each ROW (all of them by default) and says how long that took.\n"
"\n"
"    -n RINGS    in each row and round, default 2000\n"
"    -r ROUNDS   default 7\n"
"    -o FILE     where raw figures go, as lines of JSON; default none\n"
"    -i          the counter counts instructions (QEMU's -icount)\n"
"    -d          leave out what needs /dev/vhost-doorbell/control\n"
"    -s          a row that this machine cannot have is no failure\n"
"    -l          list the rows\n"
"\n"
"The last line says how many rows passed, failed and were skipped.\n";

static unsigned int rings = 2000, rounds = 7;
static bool instructions, no_driver, skips_ok;
static FILE *raw;
static int tsc_khz;	/* of the vcpus' counter, as KVM says */
static double most_steady;	/* ns of the clock per ns of the counter, least */

static struct notify_rig rigs[ROWS_MAX];
static enum { ROW_OUT, ROW_IN, ROW_SKIPPED, ROW_FAILED } state[ROWS_MAX];

/* One raw figure; @spread, if any, is p99, least and most */
static void record(unsigned int round, const struct notify_row *row,
		   const char *metric, const char *unit, const char *better,
		   double value, const double *spread)
{
	if (!raw)
		return;
	fprintf(raw, "{\"round\":%u,\"row\":\"%s\",\"subject\":\"%s\",",
		round, row->name, row->subject);
	fprintf(raw, "\"metric\":\"%s\",\"unit\":\"%s\",\"better\":\"%s\",",
		metric, unit, better);
	fprintf(raw, "\"value\":%.6g", value);
	if (spread)
		fprintf(raw, ",\"p99\":%.6g,\"min\":%.6g,\"max\":%.6g",
			spread[0], spread[1], spread[2]);
	fputs("}\n", raw);
}

static bool needs_driver(const struct notify_row *row)
{
	return row->path == PATH_BELL || row->path == PATH_EXIT_BELL ||
	       notify_path_loops(row->path);
}

static void fail(unsigned int i, const char *why)
{
	state[i] = ROW_FAILED;
	printf("FAIL %s: %s\n", notify_rows[i].name, why);
}

/* What cannot be had here */
static void leave_out(unsigned int i, const char *why)
{
	state[i] = ROW_SKIPPED;
	printf("skip %s: %s\n", notify_rows[i].name, why);
	if (raw)
		fprintf(raw, "{\"skip\":\"%s\",\"why\":\"%s\"}\n",
			notify_rows[i].name, why);
}

/* One burst, which also touches all memory that the others will use */
static void warm_up(unsigned int i)
{
	struct notify_burst burst;
	const char *why;
	int ret;

	if (no_driver && needs_driver(&notify_rows[i])) {
		state[i] = ROW_OUT;
		return;
	}
	ret = notify_rig_create(&rigs[i], &notify_rows[i], rings, &why);
	if (ret == -EOPNOTSUPP && why) {
		leave_out(i, why);
		return;
	}
	if (ret) {
		fail(i, strerror(-ret));
		return;
	}
	tsc_khz = ioctl(rigs[i].vm.cpu[0].fd, KVM_GET_TSC_KHZ, 0);
	ret = notify_rig_run(&rigs[i], rings, &burst);
	if (!ret)
		return;
	if (ret == -ETIMEDOUT && notify_rows[i].ring == RING_HC) {
		notify_rig_destroy(&rigs[i]);
		leave_out(i, "the hypercall does not come back: emulated by KVM?");
		return;
	}
	if (ret == -EPROTO)
		fprintf(stderr, "%s: exit reason %u\n", notify_rows[i].name,
			rigs[i].vm.cpu[0].run->exit_reason);
	fail(i, strerror(-ret));
	notify_rig_destroy(&rigs[i]);
}

static void record_burst(unsigned int round, const struct notify_row *row,
			 const struct notify_burst *b)
{
	const double us = 1e3 / tsc_khz;
	const double spread[] = { b->p99 * us, b->min * us, b->max * us };

	record(round, row, "round trip", "us", "lower", b->p50 * us, spread);
	record(round, row, "rings/s", "rings/s", "higher",
	       b->rings / (b->ticks * us / 1e6), NULL);
	record(round, row, "user exits", "per ring", "lower",
	       (double)b->user_exits / b->rings, NULL);
	if (b->kvm_exits >= 0)
		record(round, row, "exits", "per ring", "lower",
		       b->kvm_exits / b->rings, NULL);
}

/* Everything runs on one processor, whose counter goes up by one for each */
static void record_instructions(unsigned int round,
				const struct notify_row *row,
				const struct notify_burst *b, double nothing)
{
	const double spread[] = {
		b->p99 - nothing, b->min - nothing, b->max - nothing,
	};

	record(round, row, "instructions", "instructions", "lower",
	       b->p50 - nothing, spread);
}

/*
 * The clock starts before the guest does, so it says more than the counter; in
 * a long burst hardly. One that says less has a counter that runs away.
 */
static void note_clock(const struct notify_burst *b)
{
	double steady = b->ns / (b->ticks * 1e6 / tsc_khz);

	if (!most_steady || steady < most_steady)
		most_steady = steady;
}

static void run_row(unsigned int round, unsigned int i, __u32 *nothing)
{
	const struct notify_row *row = &notify_rows[i];
	struct notify_burst burst;
	const char *wrong;
	int ret;

	ret = notify_rig_run(&rigs[i], rings, &burst);
	wrong = ret ? strerror(-ret) : notify_burst_wrong(&rigs[i], &burst);
	if (wrong) {
		fprintf(stderr, "%s: %u rings, %llu heard, %u interrupts,",
			row->name, rings, burst.heard, rigs[i].args->irqs);
		fprintf(stderr, " %lu exits for rings, %lu others\n",
			burst.user_exits, burst.other_exits);
		fail(i, wrong);
		return;
	}
	if (row->ring == RING_NOTHING)
		*nothing = burst.p50;
	note_clock(&burst);
	if (instructions)
		record_instructions(round, row, &burst, *nothing);
	else
		record_burst(round, row, &burst);
}

/*
 * From another row on and, every second time, backwards, so that none always
 * profits from what ran before it. The instructions of nothing come first:
 * they are subtracted from all others.
 */
static void run_round(unsigned int round)
{
	unsigned int n = notify_rows_count, i, row;
	__u32 nothing = 0;

	for (i = 0; i < n; i++) {
		row = (i + round * 7) % n;
		if (round % 2)
			row = n - 1 - row;
		if (instructions)
			row = i;
		if (state[row] == ROW_IN)
			run_row(round, row, &nothing);
	}
}

static void record_peer(const char *ours, const char *peer)
{
	const char *metric = instructions ? "instructions" : "round trip";

	fprintf(raw, "{\"compare\":\"%s\",\"peer\":\"%s\",", ours, peer);
	fprintf(raw, "\"metric\":\"%s\"}\n", metric);
}

static void record_peers(void)
{
	const struct notify_row *row;
	const char *peers[2];
	unsigned int i, p;

	for (i = 0; i < notify_rows_count; i++) {
		row = &notify_rows[i];
		peers[0] = row->peer;
		peers[1] = row->peer2;
		for (p = 0; p < 2 && state[i] == ROW_IN; p++)
			if (raw && peers[p])
				record_peer(row->name, peers[p]);
	}
}

static bool chosen(const struct notify_row *row, char **names)
{
	if (!*names)
		return true;
	for (; *names; names++)
		if (!strcmp(*names, row->name))
			return true;
	return false;
}

static void list(void)
{
	unsigned int i;

	for (i = 0; i < notify_rows_count; i++)
		puts(notify_rows[i].name);
}

static unsigned int parse_count(const char *text)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (*end || !n || n > 10000000) {
		fprintf(stderr, "notify_bench: '%s' is no number from 1 to 10000000\n",
			text);
		exit(2);
	}
	return n;
}

static void parse(int argc, char **argv)
{
	int option;

	while ((option = getopt(argc, argv, "n:r:o:idslh")) != -1) {
		switch (option) {
		case 'n':
			rings = parse_count(optarg);
			break;
		case 'r':
			rounds = parse_count(optarg);
			break;
		case 'o':
			raw = fopen(optarg, "w");
			if (!raw) {
				perror(optarg);
				exit(2);
			}
			break;
		case 'i':
			instructions = true;
			break;
		case 'd':
			no_driver = true;
			break;
		case 's':
			skips_ok = true;
			break;
		case 'l':
			list();
			exit(0);
		case 'h':
			fputs(usage_text, stdout);
			exit(0);
		default:
			fputs(usage_text, stderr);
			exit(2);
		}
	}
}

static int summary(void)
{
	unsigned int count[4] = { 0 }, i;

	for (i = 0; i < notify_rows_count; i++)
		count[state[i]]++;
	if (raw && fclose(raw)) {
		perror("notify_bench: raw figures");
		return 1;
	}
	printf("%u passed, %u failed, %u skipped\n", count[ROW_IN],
	       count[ROW_FAILED], count[ROW_SKIPPED]);
	return count[ROW_FAILED] || !count[ROW_IN] ||
	       (count[ROW_SKIPPED] && !skips_ok);
}

int main(int argc, char **argv)
{
	const char *missing = tiny_vm_missing();
	unsigned int i, round;

	parse(argc, argv);
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (missing) {
		fprintf(stderr, "notify_bench: %s\n", missing);
		return 2;
	}
	for (i = 0; i < notify_rows_count; i++) {
		if (!chosen(&notify_rows[i], argv + optind))
			continue;
		state[i] = ROW_IN;
		warm_up(i);
	}
	if (tsc_khz <= 0) {
		fprintf(stderr, "notify_bench: KVM does not know the rate of the vcpus' counter\n");
		return 2;
	}
	record_peers();
	for (round = 0; round < rounds; round++) {
		run_round(round);
		printf("round %u of %u\n", round + 1, rounds);
	}
	for (i = 0; i < notify_rows_count; i++)
		if (rigs[i].row && state[i] == ROW_IN)
			notify_rig_destroy(&rigs[i]);
	printf("the vcpus' counter: %d kHz; by the clock a burst took %.3f of what it says\n",
	       tsc_khz, most_steady);
	return summary();
}
