# SPDX-License-Identifier: GPL-2.0
#
# The engine against code of the kernel's, which is unpacked from the packages
# that selftests/vm/setup fetched, compiled in userspace in the manner of the
# tree's own tools/virtio, and never becomes part of this tree.
#
#   ring_stock-K      with virtio_ring.c of kernel K, the guests' driver
#   ring_stock-K-san  address and undefined behaviour sanitizers
#
# `make check` passes some million buffers, `make stock-long` 100 million.

STOCK_KERNELS	:= 6.1 6.12
STOCK		:= $(BUILD)/stock
STOCK_PARTS	:= drivers/virtio/virtio_ring.c drivers/vhost/vringh.c \
		   include/linux include/uapi/linux include/vdso \
		   tools/include tools/virtio

.SECONDARY:

$(STOCK)/%/.unpacked: $(HERE)/stock.mk
	rm -rf $(@D)
	mkdir -p $(@D)
	tarball=$$(bash -c '. $(TOP)/selftests/vm/lib.sh && kernel_tarball $*') && \
	tar -C $(@D) --strip-components=1 -xJf "$$tarball" \
		--wildcards --no-wildcards-match-slash \
		$(STOCK_PARTS:%='linux-source-*/%')
	touch $@

# The options of tools/virtio, without what makes code slower.
# $(1) kernel
STOCK_FLAGS = -std=gnu11 -g -w -pthread -fno-strict-overflow \
	-fno-strict-aliasing -fno-common -U_FORTIFY_SOURCE -fcf-protection=none \
	-I$(STOCK)/$(1)/tools/virtio -I$(STOCK)/$(1)/tools/include \
	-idirafter $(STOCK)/$(1)/include \
	-include $(STOCK)/$(1)/include/linux/kconfig.h \
	-include $(HERE)/stock/shim.h \
	-DSTOCK_VRINGH='"$(STOCK)/$(1)/drivers/vhost/vringh.c"' \
	-DSTOCK_VIRTIO_RING='"$(STOCK)/$(1)/drivers/virtio/virtio_ring.c"' \
	$(shell grep -q recycle_done $(STOCK)/$(1)/drivers/virtio/virtio_ring.c && \
		echo -DSTOCK_RECYCLE_DONE)

STOCK_PROGS	:= $(STOCK_KERNELS:%=ring_stock-%) $(STOCK_KERNELS:%=ring_stock-%-san)
PROGS		+= $(STOCK_PROGS)
STOCK_ENGINE	:= $(wildcard $(ENGINE)/ring*.c) $(HERE)/stock_run.c
STOCK_DEPS	:= $(wildcard $(HERE)/stock/*.[ch]) $(HERE)/stock.mk

$(STOCK)/driver-%-san.o: $(STOCK)/%/.unpacked $(STOCK_DEPS)
	$(SANCC) $(call STOCK_FLAGS,$*) $(SAN) -fsanitize=address,undefined \
		-c -o $@ $(HERE)/stock/driver.c

$(STOCK)/driver-%.o: $(STOCK)/%/.unpacked $(STOCK_DEPS)
	$(CC) $(call STOCK_FLAGS,$*) -O2 -c -o $@ $(HERE)/stock/driver.c

$(STOCK_KERNELS:%=$(BUILD)/ring_stock-%-san): $(BUILD)/ring_stock-%-san: \
		ring_stock.c $(STOCK)/driver-%-san.o
	$(SANCC) $(FLAGS) $(SAN) -DSLOWER=5 -fsanitize=address,undefined \
		-o $@ $(HERE)/ring_stock.c $(filter %.o,$^) $(STOCK_ENGINE)

$(STOCK_KERNELS:%=$(BUILD)/ring_stock-%): $(BUILD)/ring_stock-%: \
		ring_stock.c $(STOCK)/driver-%.o
	$(CC) $(FLAGS) -O2 \
		-o $@ $(HERE)/ring_stock.c $(filter %.o,$^) $(STOCK_ENGINE)

# Each of two programs passes 18 times as many: 8 sets of features, and each of
# its tests takes all of them, but for `resize`, which takes a quarter.
stock-long: $(STOCK_KERNELS:%=stock-long-%)

$(STOCK_KERNELS:%=stock-long-%): stock-long-%: $(BUILD)/ring_stock-%
	BUFFERS=2800000 $<

.PHONY: stock-long $(STOCK_KERNELS:%=stock-long-%)

# ---- make bench ----

BENCH_KERNEL	:= 6.12

$(STOCK)/vringh-%.o: $(STOCK)/%/.unpacked $(STOCK_DEPS)
	$(CC) $(call STOCK_FLAGS,$*) -O2 -c -o $@ $(HERE)/stock/vringh.c

$(BUILD)/bench_ring: $(HERE)/bench/bench_ring.c $(HERE)/bench/driver.c \
		$(HERE)/bench/driver.h $(STOCK)/vringh-$(BENCH_KERNEL).o $(DEPS)
	$(CC) $(FLAGS) -O2 -o $@ $(filter $(HERE)/bench/%.c,$^) \
		$(filter %.o,$^) $(wildcard $(ENGINE)/ring*.c)

# The rings of tools/virtio/ringtest, and the engine in their place. All with
# the options of their own Makefile.
RINGTEST	:= ring virtio_ring_0_9 virtio_ring_poll virtio_ring_inorder
RINGTEST_DIR	:= $(STOCK)/$(BENCH_KERNEL)/tools/virtio/ringtest
RINGTEST_FLAGS	:= -w -pthread -O2 -ggdb -flto -fwhole-program

$(RINGTEST:%=$(BUILD)/ringtest-%): $(BUILD)/ringtest-%: \
		$(STOCK)/$(BENCH_KERNEL)/.unpacked
	$(CC) $(RINGTEST_FLAGS) -o $@ $(RINGTEST_DIR)/$*.c $(RINGTEST_DIR)/main.c

$(BUILD)/ringtest-engine: $(HERE)/bench/ringtest.c $(HERE)/bench/driver.c \
		$(HERE)/bench/driver.h $(STOCK)/$(BENCH_KERNEL)/.unpacked $(DEPS)
	$(CC) -std=gnu11 -fno-strict-aliasing -I$(HERE) $(RINGTEST_FLAGS) -o $@ \
		$(filter $(HERE)/bench/%.c,$^) $(wildcard $(ENGINE)/ring*.c) \
		$(RINGTEST_DIR)/main.c

bench: $(BUILD)/bench_ring $(BUILD)/ringtest-engine \
	$(RINGTEST:%=$(BUILD)/ringtest-%)

.PHONY: bench
