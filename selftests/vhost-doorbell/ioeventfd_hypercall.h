/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Part of ioeventfd_test.c: doorbells that are rung by hypercall, where the
 * kernel has them (KVM_CAP_IOEVENTFD_HYPERCALL).
 */

#define NUMBER		0x1122334455667788ULL
#define HC		KVM_IOEVENTFD_FLAG_HYPERCALL
#define NOT_KNOWN	(-1000LL)	/* KVM_ENOSYS, as the guest sees it */
#define NOT_ALLOWED	(-1LL)		/* KVM_EPERM */
#define LOW(x)		((__u32)(x))

FIXTURE(hypercall) {
	struct rig rig;
};

FIXTURE_SETUP(hypercall)
{
	const char *missing = tiny_vm_missing();

	if (missing)
		SKIP(return, "%s", missing);
	if (tiny_vm_cap(KVM_CAP_IOEVENTFD_HYPERCALL) <= 0)
		SKIP(return, "KVM lacks KVM_CAP_IOEVENTFD_HYPERCALL");
	ASSERT_EQ(0, rig_create(&self->rig));
}

FIXTURE_TEARDOWN(hypercall)
{
	rig_destroy(&self->rig);
}

static int hc_eventfd(struct rig *rig, unsigned int who, __u64 number,
		      unsigned int len, unsigned int how, __u64 match)
{
	return tiny_vm_ioeventfd(&rig->vm, rig->fd[who], number, len, HC | how,
				 match);
}

#define HC_EVENTFD(who, number, len, how, match)			\
	hc_eventfd(&self->rig, who, number, len, how, match)

/* By any hypercall: what it returns, and who was signalled */
static void check_call(struct __test_metadata *_metadata, struct rig *rig,
		       __u64 nr, __u64 number, __u64 data, __s64 returns,
		       unsigned int who)
{
	__u64 ret = 0;
	unsigned int i;

	EXPECT_EQ(KVM_EXIT_IO,
		  tiny_vcpu_hypercall(&rig->vm, &rig->vm.cpu[0], nr, number,
				      data, &ret, vhdb_timeout_ms()));
	EXPECT_EQ((__u64)returns, ret) {
		TH_LOG("hypercall 0x%llx of 0x%llx, 0x%llx: 0x%llx", nr, number,
		       data, ret);
	}
	for (i = 0; i < FDS; i++) {
		EXPECT_EQ(who == i, rings(rig->fd[i])) {
			TH_LOG("eventfd %u by hypercall 0x%llx of 0x%llx, 0x%llx",
			       i, nr, number, data);
		}
	}
}

/* From 64-bit code: a hit returns 0, all else is not known */
static void check_doorbell(struct __test_metadata *_metadata, struct rig *rig,
			   __u64 number, __u64 data, unsigned int who)
{
	check_call(_metadata, rig, KVM_HC_IOEVENTFD, number, data,
		   who == NOBODY ? NOT_KNOWN : 0, who);
}

#define CHECK_CALL(number, data, who)					\
	check_doorbell(_metadata, &self->rig, number, data, who)

/* Each bit of the number counts, whatever the data */
TEST_F(hypercall, wildcard)
{
	unsigned int len, bit;

	for (len = 0; len <= 8; len += 8) {
		CHECK_CALL(NUMBER, 0, NOBODY);
		ASSERT_EQ(0, HC_EVENTFD(0, NUMBER, len, ASSIGN, 0));
		CHECK_CALL(NUMBER, 0, 0);
		CHECK_CALL(NUMBER, PATTERN, 0);
		CHECK_CALL(NUMBER, ~0ULL, 0);
		for (bit = 0; bit < 64; bit++)
			CHECK_CALL(NUMBER ^ (1ULL << bit), 0, NOBODY);
		ASSERT_EQ(0, HC_EVENTFD(0, NUMBER, len, DEASSIGN, 0));
		CHECK_CALL(NUMBER, 0, NOBODY);
	}
}

/* Each bit of the data counts */
TEST_F(hypercall, datamatch)
{
	unsigned int bit;

	ASSERT_EQ(0, HC_EVENTFD(0, NUMBER, 8, MATCH, PATTERN));
	ASSERT_EQ(0, HC_EVENTFD(1, NUMBER, 8, MATCH, LOW(PATTERN)));
	CHECK_CALL(NUMBER, PATTERN, 0);
	CHECK_CALL(NUMBER, LOW(PATTERN), 1);
	CHECK_CALL(NUMBER, 0, NOBODY);
	for (bit = 0; bit < 64; bit++)
		CHECK_CALL(NUMBER, PATTERN ^ (1ULL << bit), NOBODY);
	ASSERT_EQ(0, HC_EVENTFD(0, NUMBER, 8, MATCH | DEASSIGN, PATTERN));
	CHECK_CALL(NUMBER, PATTERN, NOBODY);
	CHECK_CALL(NUMBER, LOW(PATTERN), 1);
}

/* There are no ranges: every number is one, and has no neighbours */
TEST_F(hypercall, numbers)
{
	static const __u64 numbers[] = {
		0, 1, 7, 8, 0xffffffff, 0x100000000ULL, ~0ULL - 8, ~0ULL - 7,
		~0ULL - 1, ~0ULL
	};
	unsigned int len, i, j;

	for (len = 0; len <= 8; len += 8) {
		for (i = 0; i < ARRAY_SIZE(numbers); i++)
			ASSERT_EQ(0, HC_EVENTFD(i % FDS, numbers[i], len,
						ASSIGN, 0)) {
				TH_LOG("0x%llx", numbers[i]);
			}
		for (i = 0; i < ARRAY_SIZE(numbers); i++)
			CHECK_CALL(numbers[i], i, i % FDS);
		CHECK_CALL(2, 0, NOBODY);
		CHECK_CALL(6, 0, NOBODY);
		CHECK_CALL(9, 0, NOBODY);
		CHECK_CALL(~0ULL - 6, 0, NOBODY);
		for (j = 0; j < ARRAY_SIZE(numbers); j++)
			ASSERT_EQ(0, HC_EVENTFD(j % FDS, numbers[j], len,
						DEASSIGN, 0));
	}
}

/* Other hypercalls are what they were, with the number of a doorbell, too */
TEST_F(hypercall, other_calls)
{
	ASSERT_EQ(0, HC_EVENTFD(0, NUMBER, 0, ASSIGN, 0));
	check_call(_metadata, &self->rig, KVM_HC_IOEVENTFD + 1, NUMBER, 0,
		   NOT_KNOWN, NOBODY);
	check_call(_metadata, &self->rig, KVM_HC_IOEVENTFD - 1, NUMBER, 0,
		   NOT_KNOWN, NOBODY);
	check_call(_metadata, &self->rig, KVM_HC_IOEVENTFD | 1ULL << 32,
		   NUMBER, 0, NOT_KNOWN, NOBODY);
	/* KVM_HC_VAPIC_POLL_IRQ */
	check_call(_metadata, &self->rig, 1, NUMBER, 0, 0, NOBODY);
	check_call(_metadata, &self->rig, KVM_HC_IOEVENTFD, NUMBER, 0, 0, 0);
}

/* By a loop of the guest's own, with whichever instruction it has */
TEST_F(hypercall, in_a_script)
{
	struct tiny_step step = {
		.op = tiny_hypercall_op(),
		.addr = NUMBER,
		.value = 5,
		.nr = KVM_HC_IOEVENTFD,
	};
	struct tiny_vm_access access;
	__u64 result = 1;

	ASSERT_EQ(0, HC_EVENTFD(0, NUMBER, 8, MATCH, 5));
	EXPECT_EQ(0, guest_step(&self->rig.vm, &step, &access, &result));
	EXPECT_EQ(0, result);
	EXPECT_EQ(1, rings(self->rig.fd[0]));
	step.value = 6;
	EXPECT_EQ(0, guest_step(&self->rig.vm, &step, &access, &result));
	EXPECT_EQ((__u64)NOT_KNOWN, result);
	EXPECT_EQ(0, rings(self->rig.fd[0]));
}

/* User mode may not, as with any hypercall, and learns nothing */
TEST_F(hypercall, user_mode)
{
	struct rig *rig = &self->rig;

	ASSERT_EQ(0, HC_EVENTFD(0, NUMBER, 0, ASSIGN, 0));
	ASSERT_EQ(0, tiny_vcpu_set_mode(&rig->vm, &rig->vm.cpu[0],
					TINY_LONG_USER));
	check_call(_metadata, rig, KVM_HC_IOEVENTFD, NUMBER, 0, NOT_ALLOWED,
		   NOBODY);
	check_call(_metadata, rig, KVM_HC_IOEVENTFD, NUMBER + 1, 0,
		   NOT_ALLOWED, NOBODY);
	ASSERT_EQ(0, tiny_vcpu_set_mode(&rig->vm, &rig->vm.cpu[0], TINY_LONG));
	CHECK_CALL(NUMBER, 0, 0);
}

/* Out of 64-bit mode, the registers' upper halves are not there */
static void check_32_bit(struct __test_metadata *_metadata, struct rig *rig)
{
	static const struct {
		__u64 number, data;
		unsigned int who;
	} calls[] = {
		{ NUMBER, PATTERN, 1 },
		{ LOW(NUMBER), LOW(PATTERN), 1 },
		{ NUMBER, PATTERN + 1, NOBODY },
		{ NUMBER + 1, PATTERN, NOBODY },
	};
	unsigned int i;

	/* For those two, 64-bit code is needed */
	ASSERT_EQ(0, hc_eventfd(rig, 0, NUMBER, 0, ASSIGN, 0));
	ASSERT_EQ(0, hc_eventfd(rig, 2, LOW(NUMBER), 8, MATCH, PATTERN));
	ASSERT_EQ(0, hc_eventfd(rig, 1, LOW(NUMBER), 8, MATCH, LOW(PATTERN)));
	for (i = 0; i < ARRAY_SIZE(calls); i++)
		/* An error is in eax */
		check_call(_metadata, rig, KVM_HC_IOEVENTFD, calls[i].number,
			   calls[i].data,
			   calls[i].who == NOBODY ? LOW(NOT_KNOWN) : 0,
			   calls[i].who);
	check_call(_metadata, rig, KVM_HC_IOEVENTFD | 1ULL << 32, NUMBER,
		   PATTERN, 0, 1);
}

TEST_F(hypercall, compat_mode)
{
	struct rig *rig = &self->rig;

	ASSERT_EQ(0, tiny_vcpu_set_mode(&rig->vm, &rig->vm.cpu[0],
					TINY_COMPAT));
	check_32_bit(_metadata, rig);
}

TEST_F(hypercall, real_mode)
{
	struct rig *rig = &self->rig;

	/* As a new vcpu is */
	tiny_vm_destroy(&rig->vm);
	ASSERT_EQ(0, tiny_vm_create(&rig->vm, MEM_SIZE));
	check_32_bit(_metadata, rig);
}

/* Number, port and address of the same value are three things */
TEST_F(hypercall, bus_of_its_own)
{
	struct rig *rig = &self->rig;

	ASSERT_EQ(0, HC_EVENTFD(0, PORT, 0, ASSIGN, 0));
	ASSERT_EQ(0, HC_EVENTFD(0, MMIO, 0, ASSIGN, 0));
	check_write(_metadata, rig, false, PORT, 2, 1, NOBODY);
	check_write(_metadata, rig, true, MMIO, 8, 1, NOBODY);
	ASSERT_EQ(0, tiny_vm_ioeventfd(&rig->vm, rig->fd[1], PORT, 2,
				       KVM_IOEVENTFD_FLAG_PIO, 0));
	ASSERT_EQ(0, tiny_vm_ioeventfd(&rig->vm, rig->fd[2], MMIO, 8, 0, 0));
	check_write(_metadata, rig, false, PORT, 2, 1, 1);
	check_write(_metadata, rig, true, MMIO, 8, 1, 2);
	CHECK_CALL(PORT, 0, 0);
	CHECK_CALL(MMIO, 0, 0);
	/* Nor does deassign mix them up */
	EXPECT_EQ(-ENOENT, HC_EVENTFD(2, MMIO, 8, DEASSIGN, 0));
	EXPECT_EQ(-ENOENT, tiny_vm_ioeventfd(&rig->vm, rig->fd[0], MMIO, 0,
					     DEASSIGN, 0));
	EXPECT_EQ(0, HC_EVENTFD(0, MMIO, 0, DEASSIGN, 0));
	CHECK_CALL(MMIO, 0, NOBODY);
	check_write(_metadata, rig, true, MMIO, 8, 1, 2);
}

TEST_F(hypercall, collisions)
{
	static const struct shape shapes[] = {
		{ 0, false, 0 }, { 8, false, 0 }, { 8, true, 0 },
		{ 8, true, PATTERN },
	};
	const struct shape *a, *b;
	unsigned int i, j;

	for (i = 0; i < ARRAY_SIZE(shapes); i++) {
		a = &shapes[i];
		ASSERT_EQ(0, HC_EVENTFD(0, NUMBER, a->len,
					a->match ? MATCH : 0, a->data));
		for (j = 0; j < ARRAY_SIZE(shapes); j++) {
			b = &shapes[j];
			EXPECT_EQ(collide(a, b) ? -EEXIST : 0,
				  HC_EVENTFD(1, NUMBER, b->len,
					     b->match ? MATCH : 0, b->data));
			EXPECT_EQ(collide(a, b) ? -ENOENT : 0,
				  HC_EVENTFD(1, NUMBER, b->len,
					     (b->match ? MATCH : 0) | DEASSIGN,
					     b->data));
		}
		ASSERT_EQ(0, HC_EVENTFD(0, NUMBER, a->len,
					(a->match ? MATCH : 0) | DEASSIGN,
					a->data));
	}
}

TEST_F(hypercall, arguments)
{
	static const unsigned int bad[] = { 1, 2, 3, 4, 5, 7, 9, 16, ~0U };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		EXPECT_EQ(-EINVAL, HC_EVENTFD(0, NUMBER, bad[i], ASSIGN, 0));
		EXPECT_EQ(-EINVAL, HC_EVENTFD(0, NUMBER, bad[i], MATCH, 0));
	}
	EXPECT_EQ(-EINVAL, HC_EVENTFD(0, NUMBER, 0, MATCH, 0));
	for (i = 0; i <= 8; i += 8) {
		EXPECT_EQ(-EINVAL, HC_EVENTFD(0, NUMBER, i,
					      KVM_IOEVENTFD_FLAG_PIO, 0));
		EXPECT_EQ(-EINVAL,
			  HC_EVENTFD(0, NUMBER, i,
				     KVM_IOEVENTFD_FLAG_VIRTIO_CCW_NOTIFY, 0));
		EXPECT_EQ(-EINVAL, HC_EVENTFD(0, NUMBER, i, 1U << 29, 0));
		EXPECT_EQ(-EINVAL, HC_EVENTFD(0, NUMBER, i, 1U << 31, 0));
	}
	EXPECT_EQ(-EBADF, tiny_vm_ioeventfd(&self->rig.vm, -1, NUMBER, 8, HC,
					    0));
	CHECK_CALL(NUMBER, 0, NOBODY);
}

/* References: closed first, taken back, and gone with the VM */
TEST_F(hypercall, references)
{
	int id, fd = eventfd_with_id(&id), kept, kept_id;

	ASSERT_LE(0, id);
	ASSERT_EQ(0, tiny_vm_ioeventfd(&self->rig.vm, fd, NUMBER, 8, HC, 0));
	EXPECT_EQ(-EEXIST, tiny_vm_ioeventfd(&self->rig.vm, fd, NUMBER, 0, HC,
					     0));
	ASSERT_EQ(0, tiny_vm_ioeventfd(&self->rig.vm, fd, NUMBER, 8,
				       HC | DEASSIGN, 0));
	close(fd);
	EXPECT_TRUE(id_is_free(id));

	kept = eventfd_with_id(&kept_id);
	ASSERT_LE(0, kept_id);
	ASSERT_EQ(0, tiny_vm_ioeventfd(&self->rig.vm, kept, NUMBER, 0, HC, 0));
	close(kept);
	/* Nobody sees it, but it was there */
	check_call(_metadata, &self->rig, KVM_HC_IOEVENTFD, NUMBER, 0, 0,
		   NOBODY);
	EXPECT_FALSE(id_is_free(kept_id));
	tiny_vm_destroy(&self->rig.vm);
	EXPECT_TRUE(id_is_free(kept_id));
	ASSERT_EQ(0, tiny_vm_create(&self->rig.vm, MEM_SIZE));
}

/* Whoever asked for Xen's hypercalls gets all of them */
TEST_F(hypercall, xen_first)
{
	struct kvm_xen_hvm_config config = {
		.flags = KVM_XEN_HVM_CONFIG_INTERCEPT_HCALL,
		.msr = 0x40000200,
	};
	struct rig *rig = &self->rig;
	__u64 ret;

	if (!(tiny_vm_cap(KVM_CAP_XEN_HVM) &
	      KVM_XEN_HVM_CONFIG_INTERCEPT_HCALL))
		SKIP(return, "KVM lacks KVM_XEN_HVM_CONFIG_INTERCEPT_HCALL");
	ASSERT_EQ(0, HC_EVENTFD(0, NUMBER, 0, ASSIGN, 0));
	ASSERT_EQ(0, ioctl(rig->vm.vm, KVM_XEN_HVM_CONFIG, &config));
	EXPECT_EQ(KVM_EXIT_XEN,
		  tiny_vcpu_hypercall(&rig->vm, &rig->vm.cpu[0],
				      KVM_HC_IOEVENTFD, NUMBER, 0, &ret,
				      vhdb_timeout_ms()));
	EXPECT_EQ(KVM_HC_IOEVENTFD, rig->vm.cpu[0].run->xen.u.hcall.input);
	EXPECT_EQ(0, rings(rig->fd[0]));
}

/* Makes the VM one whose guest may turn Hyper-V's hypercalls on; and it does */
static int hyperv_offer(struct rig *rig)
{
	const unsigned int max = 256;
	struct kvm_cpuid2 *cpuid;
	unsigned int i;
	int ret;

	cpuid = calloc(1, sizeof(*cpuid) + max * sizeof(cpuid->entries[0]));
	if (!cpuid)
		return -ENOMEM;
	cpuid->nent = max;
	ret = ioctl(rig->vm.kvm, KVM_GET_SUPPORTED_CPUID, cpuid);
	for (i = 0; !ret && i < cpuid->nent; i++)
		if (cpuid->entries[i].function == 0x40000001)
			cpuid->entries[i].eax = 0x31237648;	/* "Hv#1" */
	if (!ret)
		ret = ioctl(rig->vm.cpu[0].fd, KVM_SET_CPUID2, cpuid);
	free(cpuid);
	return ret ? -errno : 0;
}

static int hyperv_enable(struct rig *rig)
{
	struct {
		struct kvm_msrs msrs;
		struct kvm_msr_entry guest_os_id;
	} set = {
		.msrs.nmsrs = 1,
		.guest_os_id = { .index = 0x40000000, .data = 1 },
	};

	return ioctl(rig->vm.cpu[0].fd, KVM_SET_MSRS, &set) == 1 ? 0 : -errno;
}

/* A guest that has Hyper-V's hypercalls on has no others */
TEST_F(hypercall, hyperv_first)
{
	const __u64 no_such_code = 0x7ffe, invalid_code = 2;
	struct rig *rig = &self->rig;

	if (tiny_vm_cap(KVM_CAP_HYPERV) <= 0)
		SKIP(return, "KVM lacks KVM_CAP_HYPERV");
	ASSERT_EQ(0, hyperv_offer(rig));
	ASSERT_EQ(0, HC_EVENTFD(0, NUMBER, 0, ASSIGN, 0));
	ASSERT_EQ(0, hyperv_enable(rig));
	/* They have their code where ours have the data */
	check_call(_metadata, rig, KVM_HC_IOEVENTFD, NUMBER, no_such_code,
		   invalid_code, NOBODY);
}

/* That Hyper-V's could be turned on changes nothing */
TEST_F(hypercall, hyperv_off)
{
	if (tiny_vm_cap(KVM_CAP_HYPERV) <= 0)
		SKIP(return, "KVM lacks KVM_CAP_HYPERV");
	ASSERT_EQ(0, hyperv_offer(&self->rig));
	ASSERT_EQ(0, HC_EVENTFD(0, NUMBER, 0, ASSIGN, 0));
	CHECK_CALL(NUMBER, 0, 0);
	CHECK_CALL(NUMBER + 1, 0, NOBODY);
}

/* Doorbells come and go at full speed; those that stay hear each ring */
TEST_F(hypercall, churn)
{
	const enum tiny_op op = tiny_hypercall_op();
	const __u64 nr = KVM_HC_IOEVENTFD;
	const struct tiny_step steps[] = {
		{ .op = op, .nr = nr, .addr = NUMBER, .value = 1 },
		{ .op = op, .nr = nr, .addr = NUMBER, .value = CHURN_VALUE },
		{ .op = op, .nr = nr, .addr = NUMBER + 1, .value = 3 },
	};
	struct ringer ringers[RINGERS] = {};
	struct rig *rig = &self->rig;
	__u64 done, taken;
	unsigned int i;
	long rounds;

	ASSERT_EQ(0, HC_EVENTFD(0, NUMBER, 8, MATCH, 1));
	ASSERT_EQ(0, HC_EVENTFD(2, NUMBER + 1, 0, ASSIGN, 0));
	for (i = 0; i < RINGERS; i++)
		ASSERT_EQ(0, ringer_start(&ringers[i], rig, !i, 0, steps,
					  ARRAY_SIZE(steps)));
	rounds = churn(rig, HC, NUMBER, 8);
	done = ringers_stop(_metadata, ringers, RINGERS);
	taken = rings(rig->fd[1]);
	TH_LOG("%ld rounds of churn, %llu of the guests, %llu heard by what came and went",
	       rounds, done, taken);
	EXPECT_LT(0, rounds);
	EXPECT_EQ(done, rings(rig->fd[0]));
	EXPECT_EQ(done, rings(rig->fd[2]));
	/* It was there at times, and at times it was not */
	EXPECT_LT(0, taken);
	EXPECT_GT(done, taken);
}
