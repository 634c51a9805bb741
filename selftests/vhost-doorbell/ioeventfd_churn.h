/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Part of ioeventfd_test.c: vcpus that ring at full speed, of one VM while its
 * entries come and go, or of several VMs, all with the same eventfd.
 */

#define CHURN_VALUE	2	/* beside one that stays at the same address */

struct ringer {
	struct tiny_vcpu *cpu;
	struct tiny_script *script;
	__u64 churn_addr;
	unsigned long missed;	/* the churned entry was not there */
	unsigned long bad;	/* anything else that reached userspace */
	int end;		/* how it ended: KVM_EXIT_IO */
	pthread_t thread;
};

static void *ring_on(void *data)
{
	struct ringer *r = data;
	struct tiny_vm_access access;

	for (;;) {
		r->end = tiny_vcpu_run(r->cpu, 20 * vhdb_timeout_ms());
		if (r->end < 0 || tiny_vcpu_access(r->cpu, &access))
			return NULL;
		if (exit_is_done(r->end, &access))
			return NULL;
		if (access.write && access.addr == r->churn_addr &&
		    access.value == CHURN_VALUE)
			r->missed++;
		else
			r->bad++;
	}
}

/* One more vcpu of @rig, or its first, does @steps over and over: 0 or -errno */
static int ringer_start(struct ringer *r, struct rig *rig, bool first,
			__u64 churn_addr, const struct tiny_step *steps,
			unsigned int n)
{
	int cpu = first ? 0 : tiny_vm_add_vcpu(&rig->vm);
	__u32 gpa = TINY_VM_FREE + cpu * 0x1000;
	int ret;

	if (cpu < 0)
		return cpu;
	r->cpu = &rig->vm.cpu[cpu];
	r->churn_addr = churn_addr;
	r->script = tiny_vm_ptr(&rig->vm, gpa, 0x1000);
	memset(r->script, 0, sizeof(*r->script));
	r->script->loops = ~0ULL;
	r->script->steps = n;
	memcpy(r->script->step, steps, n * sizeof(*steps));
	ret = tiny_vcpu_set_mode(&rig->vm, r->cpu, TINY_LONG);
	if (!ret)
		ret = tiny_vcpu_start_script(r->cpu, gpa);
	if (!ret)
		ret = -pthread_create(&r->thread, NULL, ring_on, r);
	return ret;
}

/* All of them: how many rounds they have finished together */
static __u64 ringers_stop(struct __test_metadata *_metadata,
			  struct ringer *ringers, unsigned int n)
{
	__u64 done = 0;
	unsigned int i;

	for (i = 0; i < n; i++)
		__atomic_store_n(&ringers[i].script->stop, 1, __ATOMIC_RELAXED);
	for (i = 0; i < n; i++) {
		pthread_join(ringers[i].thread, NULL);
		EXPECT_EQ(KVM_EXIT_IO, ringers[i].end);
		EXPECT_EQ(0, ringers[i].bad);
		EXPECT_LT(0, ringers[i].script->done);
		done += ringers[i].script->done;
	}
	return done;
}

/*
 * The churned one's address, and those to both sides of what stays: each time
 * the bus is copied, and everything in it is elsewhere in the copy
 */
static int churn_once(struct rig *rig, unsigned int flags, __u64 addr,
		      unsigned int len)
{
	unsigned int beside = flags & KVM_IOEVENTFD_FLAG_HYPERCALL ? 8 : 4;
	int ret = 0;

	ret |= tiny_vm_ioeventfd(&rig->vm, rig->fd[1], addr, len,
				 flags | MATCH, CHURN_VALUE);
	ret |= tiny_vm_ioeventfd(&rig->vm, rig->fd[1], addr - 8, 0, flags, 0);
	ret |= tiny_vm_ioeventfd(&rig->vm, rig->fd[1], addr + 8, beside, flags,
				 0);
	ret |= tiny_vm_ioeventfd(&rig->vm, rig->fd[1], addr - 8, 0,
				 flags | DEASSIGN, 0);
	ret |= tiny_vm_ioeventfd(&rig->vm, rig->fd[1], addr, len,
				 flags | MATCH | DEASSIGN, CHURN_VALUE);
	ret |= tiny_vm_ioeventfd(&rig->vm, rig->fd[1], addr + 8, beside,
				 flags | DEASSIGN, 0);
	return ret;
}

/* For CHURN_MS, or until it fails: how many times, or -errno */
static long churn(struct rig *rig, unsigned int flags, __u64 addr,
		  unsigned int len)
{
	__u64 end = vhdb_now_ms() + CHURN_MS;
	long rounds = 0;
	int ret = 0;

	for (; !ret && vhdb_now_ms() < end; rounds++)
		ret = churn_once(rig, flags, addr, len);
	return ret ? ret : rounds;
}

/* No ring is lost, or counted twice, of those that stay; nor of that which goes */
TEST_F(bus, churn)
{
	const struct tiny_step steps[] = {
		{ .op = write_op(variant->mmio, 2), .addr = variant->addr,
		  .value = 1 },
		{ .op = write_op(variant->mmio, 2), .addr = variant->addr,
		  .value = CHURN_VALUE },
		{ .op = write_op(variant->mmio, 4), .addr = variant->addr,
		  .value = 3 },
		{ .op = write_op(variant->mmio, 1), .addr = variant->addr + 0x20,
		  .value = 4 },
	};
	struct rig *rig = &self->rig;
	struct ringer ringers[RINGERS] = {};
	__u64 taken, done, missed = 0;
	unsigned int i;
	long rounds;

	ASSERT_EQ(0, IOEVENTFD(0, variant->addr, 2, MATCH, 1));
	ASSERT_EQ(0, IOEVENTFD(2, variant->addr, 4, ASSIGN, 0));
	ASSERT_EQ(0, IOEVENTFD(3, variant->addr + 0x20, 0, ASSIGN, 0));
	for (i = 0; i < RINGERS; i++)
		ASSERT_EQ(0, ringer_start(&ringers[i], rig, !i, variant->addr,
					  steps, ARRAY_SIZE(steps)));
	rounds = churn(rig, variant->flags, variant->addr, 2);
	done = ringers_stop(_metadata, ringers, RINGERS);
	for (i = 0; i < RINGERS; i++)
		missed += ringers[i].missed;

	TH_LOG("%ld rounds of churn, %llu of the guests, %llu writes for nobody",
	       rounds, done, missed);
	EXPECT_LT(0, rounds);
	EXPECT_EQ(done, rings(rig->fd[0]));
	EXPECT_EQ(done, rings(rig->fd[2]));
	EXPECT_EQ(done, rings(rig->fd[3]));
	taken = rings(rig->fd[1]);
	EXPECT_EQ(done, missed + taken);
	/* Or this would not have been a test of anything */
	EXPECT_LT(0, missed);
	EXPECT_LT(0, taken);
}

/* Signals of several VMs to one eventfd, at the same time: none gets lost */
TEST_F(bus, two_vms_at_once)
{
	const struct tiny_step step = {
		.op = write_op(variant->mmio, 2),
		.addr = variant->addr,
	};
	struct ringer ringers[2] = {};
	struct rig *rig = &self->rig, other;

	ASSERT_EQ(0, rig_create(&other));
	ASSERT_EQ(0, IOEVENTFD(0, variant->addr, 2, ASSIGN, 0));
	ASSERT_EQ(0, tiny_vm_ioeventfd(&other.vm, rig->fd[0], variant->addr, 2,
				       variant->flags, 0));
	ASSERT_EQ(0, ringer_start(&ringers[0], rig, true, 0, &step, 1));
	ASSERT_EQ(0, ringer_start(&ringers[1], &other, true, 0, &step, 1));
	/* Both are at it */
	EXPECT_TRUE(vhdb_wait_for(ringers[0].script->done > 1000 &&
				  ringers[1].script->done > 1000));
	EXPECT_EQ(ringers_stop(_metadata, ringers, 2), rings(rig->fd[0]));
	rig_destroy(&other);
}
