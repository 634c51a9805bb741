# SPDX-License-Identifier: GPL-2.0
#
# What of the engine the unit tests run: `make coverage` tells, line by line;
# each line must be run; branches that are not taken are listed.

COV	:= $(UNIT:%=cov-%)

# In a directory of its own: counters are named by the object they belong to.
$(COV:%=$(BUILD)/%/run): $(BUILD)/cov-%/run: %.c $(DEPS) $(wildcard $(HERE)/cov/*) $(HERE)/cov.mk
	rm -rf $(@D) && mkdir -p $(@D)
	cd $(@D) && $(CC) $(FLAGS) $(HOOKS) -O1 --coverage \
		-include $(HERE)/cov/shim.h -o run $(abspath $<) $(COMMON)

$(COV:%=$(BUILD)/%/done): $(BUILD)/%/done: $(BUILD)/%/run
	rm -f $(@D)/*.gcda
	$< >$(@D)/log || { cat $(@D)/log; exit 1; }
	touch $@

coverage: $(COV:%=$(BUILD)/%/done)
	@$(HERE)/cov/report $(ENGINE) $(HERE)/cov/explained.txt $(COV:%=$(BUILD)/%)

.PHONY: coverage
