/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Part of ioeventfd_test.c: references to the eventfd, several VMs, many
 * entries.
 */

/* ---- references ---- */

/*
 * The number that an eventfd has in the kernel from the first reference on its
 * context to the last one; then the next eventfd may get it, the lowest first.
 */
static int eventfd_id(int fd)
{
	char path[40], line[80];
	FILE *info;
	int id = -1;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	info = fopen(path, "re");
	if (!info)
		return -1;
	while (fgets(line, sizeof(line), info))
		if (sscanf(line, "eventfd-id: %d", &id) == 1)
			break;
	fclose(info);
	return id;
}

/* Is one of the next eventfds given this number? More than are live, at once. */
static bool id_is_free(int id)
{
	int fds[64];
	unsigned int i, n;
	bool found = false;

	for (n = 0; n < ARRAY_SIZE(fds) && !found; n++) {
		fds[n] = eventfd(0, EFD_CLOEXEC);
		found = fds[n] >= 0 && eventfd_id(fds[n]) == id;
	}
	for (i = 0; i < n; i++)
		close(fds[i]);
	return found;
}

/* An eventfd and its number */
static int eventfd_with_id(int *id)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	*id = fd < 0 ? -1 : eventfd_id(fd);
	return fd;
}

#define ASSIGN_FD(fd, addr, len, how, match)				\
	tiny_vm_ioeventfd(&self->rig.vm, fd, addr, len,			\
			  variant->flags | (how), match)

/* Closed first: entries live on, take their writes, and go with the VM */
TEST_F(bus, eventfd_closed_first)
{
	int id[3], fd[3], len;

	for (len = 0; len < 3; len++) {
		fd[len] = eventfd_with_id(&id[len]);
		ASSERT_LE(0, id[len]);
		ASSERT_EQ(0, ASSIGN_FD(fd[len], variant->addr + len * 16,
				       len, ASSIGN, 0));
	}
	for (len = 0; len < 3; len++)
		close(fd[len]);
	for (len = 0; len < 3; len++) {
		/* Another one than those FDS: the write just disappears */
		struct tiny_step step = {
			.op = write_op(variant->mmio, len ? len : 1),
			.addr = variant->addr + len * 16,
		};
		struct tiny_vm_access access;

		EXPECT_EQ(0, guest_step(&self->rig.vm, &step, &access, NULL));
		EXPECT_FALSE(id_is_free(id[len]));
	}
	tiny_vm_destroy(&self->rig.vm);
	for (len = 0; len < 3; len++)
		EXPECT_TRUE(id_is_free(id[len])) {
			TH_LOG("the entry of length %d was not released", len);
		}
	/* For the teardown */
	ASSERT_EQ(0, tiny_vm_create(&self->rig.vm, MEM_SIZE));
}

/* Deassigned, the entry keeps nothing */
TEST_F(bus, deassign_puts)
{
	int id, fd, len;

	for (len = 0; len <= 4; len = len ? len * 2 : 1) {
		fd = eventfd_with_id(&id);
		ASSERT_LE(0, id);
		ASSERT_EQ(0, ASSIGN_FD(fd, variant->addr, len, ASSIGN, 0));
		ASSERT_EQ(0, ASSIGN_FD(fd, variant->addr, len, DEASSIGN, 0));
		EXPECT_FALSE(id_is_free(id));
		close(fd);
		EXPECT_TRUE(id_is_free(id)) {
			TH_LOG("length %d", len);
		}
	}
}

/* What fails keeps nothing either */
TEST_F(bus, errors_put)
{
	int id, fd = eventfd_with_id(&id);

	ASSERT_LE(0, id);
	ASSERT_EQ(0, IOEVENTFD(0, variant->addr, 2, ASSIGN, 0));
	EXPECT_EQ(-EEXIST, ASSIGN_FD(fd, variant->addr, 2, ASSIGN, 0));
	EXPECT_EQ(-EEXIST, ASSIGN_FD(fd, variant->addr, 0, ASSIGN, 0));
	EXPECT_EQ(-EINVAL, ASSIGN_FD(fd, variant->addr, 3, ASSIGN, 0));
	EXPECT_EQ(-EINVAL, ASSIGN_FD(fd, variant->addr, 2, 1U << 5, 0));
	EXPECT_EQ(-EINVAL, ASSIGN_FD(fd, ~0ULL, 2, ASSIGN, 0));
	EXPECT_EQ(-ENOENT, ASSIGN_FD(fd, variant->addr, 2, DEASSIGN, 0));
	EXPECT_EQ(-ENOENT, ASSIGN_FD(fd, variant->addr, 0, DEASSIGN, 0));
	close(fd);
	EXPECT_TRUE(id_is_free(id));
}

/* ---- more VMs ---- */

TEST_F(bus, two_vms)
{
	struct rig *rig = &self->rig, other;
	struct tiny_step step = {
		.op = write_op(variant->mmio, 2),
		.addr = variant->addr,
	};
	struct tiny_vm_access access;

	ASSERT_EQ(0, rig_create(&other));
	ASSERT_EQ(0, IOEVENTFD(0, variant->addr, 2, ASSIGN, 0));
	/* Nothing collides from VM to VM */
	ASSERT_EQ(0, tiny_vm_ioeventfd(&other.vm, rig->fd[0], variant->addr, 2,
				       variant->flags, 0));
	CHECK_WRITE(variant->addr, 2, 1, 0);
	EXPECT_EQ(0, guest_step(&other.vm, &step, &access, NULL));
	EXPECT_EQ(0, guest_step(&rig->vm, &step, &access, NULL));
	EXPECT_EQ(2, rings(rig->fd[0]));

	/* One takes its own back; the other one's stays */
	ASSERT_EQ(0, IOEVENTFD(0, variant->addr, 2, DEASSIGN, 0));
	CHECK_WRITE(variant->addr, 2, 1, NOBODY);
	EXPECT_EQ(0, guest_step(&other.vm, &step, &access, NULL));
	EXPECT_EQ(1, rings(rig->fd[0]));

	ASSERT_EQ(0, IOEVENTFD(0, variant->addr, 2, ASSIGN, 0));
	rig_destroy(&other);
	CHECK_WRITE(variant->addr, 2, 1, 0);
}

/* ---- many ---- */

/* How many devices that are no ioeventfds still fit on the bus */
static int fill_bus(struct tiny_vm *vm, bool mmio)
{
	struct kvm_coalesced_mmio_zone zone = {
		.size = 1,
		.pio = !mmio,
	};
	int n;

	for (n = 0; n < 2 * MANY; n++) {
		zone.addr = (mmio ? TINY_VM_MMIO + 0x10000 : 0xe000) + n;
		if (ioctl(vm->vm, KVM_REGISTER_COALESCED_MMIO, &zone))
			return errno == ENOSPC ? n : -errno;
	}
	return n;
}

static __u64 many_addr(bool mmio, unsigned int i)
{
	return (mmio ? TINY_VM_MMIO + 0x1000 : MANY_PORT) + i * MANY_STEP;
}

#define MANY_ADDR(i)	many_addr(variant->mmio, i)

/*
 * More than the bus has room for other devices, each found among the others
 * while they come and while they go, in an order that is not theirs
 */
TEST_F(bus, many)
{
	const unsigned int stride = 7 * 11 * 13;	/* coprime to MANY */
	unsigned int i, n;

	for (n = 0; n < MANY; n++) {
		i = n * stride % MANY;
		ASSERT_EQ(0, IOEVENTFD(i % FDS, MANY_ADDR(i), 2, ASSIGN, 0)) {
			TH_LOG("%u are there", n);
		}
	}
	for (i = 0; i < MANY; i += 97) {
		CHECK_WRITE(MANY_ADDR(i), 2, i, i % FDS);
		CHECK_WRITE(MANY_ADDR(i) + 2, 2, i, NOBODY);
		EXPECT_EQ(-EEXIST, IOEVENTFD(0, MANY_ADDR(i), 2, MATCH, 1));
		EXPECT_EQ(-EEXIST, IOEVENTFD(0, MANY_ADDR(i), 0, ASSIGN, 0));
	}
	CHECK_WRITE(MANY_ADDR(0), 2, 1, 0);
	CHECK_WRITE(MANY_ADDR(MANY - 1), 2, 1, (MANY - 1) % FDS);
	/* Every other one goes */
	for (n = 0; n < MANY; n += 2)
		ASSERT_EQ(0, IOEVENTFD(n % FDS, MANY_ADDR(n), 2, DEASSIGN, 0));
	for (i = 0; i < MANY; i += 97)
		CHECK_WRITE(MANY_ADDR(i), 2, i, i % 2 ? i % FDS : NOBODY);
	/* And the VM closes with the rest */
}

/* Ioeventfds take no room from other devices, nor do they leave any behind */
TEST_F(bus, many_leave_room)
{
	struct tiny_vm fresh;
	unsigned int i;
	int room, left;

	if (tiny_vm_cap(variant->mmio ? KVM_CAP_COALESCED_MMIO :
					KVM_CAP_COALESCED_PIO) <= 0)
		SKIP(return, "KVM has no other device for userspace to add");
	ASSERT_EQ(0, tiny_vm_create(&fresh, MEM_SIZE));
	room = fill_bus(&fresh, variant->mmio);
	tiny_vm_destroy(&fresh);
	ASSERT_LT(500, room);

	/*
	 * A third of them gone again: both ways of counting show. Most are of
	 * length 0, so that the bus that has those of memory alone is past the
	 * limit, too.
	 */
	for (i = 0; i < MANY; i++)
		ASSERT_EQ(0, IOEVENTFD(0, MANY_ADDR(i), i % 8 ? 0 : 2, ASSIGN,
				       0)) {
			TH_LOG("%u are there", i);
		}
	for (i = 0; i < MANY; i += 3)
		ASSERT_EQ(0, IOEVENTFD(0, MANY_ADDR(i), i % 8 ? 0 : 2,
				       DEASSIGN, 0));
	left = fill_bus(&self->rig.vm, variant->mmio);
	EXPECT_EQ(room, left);
	/* And on a full bus they still work */
	CHECK_WRITE(MANY_ADDR(1), 2, 1, 0);
	CHECK_WRITE(MANY_ADDR(3), 2, 1, NOBODY);
}
