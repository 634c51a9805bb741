# SPDX-License-Identifier: GPL-2.0
#
# The engine against a driver that breaks the rules: fuzz/fuzz_ring.c, one
# program for each layout, under address and undefined behaviour sanitizers.
#
#   make check              the corpus, then $(FUZZ_CHECK) seconds for each: a
#                           minute in total, side by side with -j2
#   make fuzz SECONDS=N     N seconds for each, side by side; what is found is
#                           kept in $(BUILD)/fuzz/
#   make fuzz-corpus        makes the committed corpus of what was kept

FUZZ_CHECK	?= 30
SECONDS		?= 60
FUZZ_CC		?= clang
FUZZ		:= fuzz_split fuzz_packed
FUZZ_DIR	:= $(BUILD)/fuzz
FUZZ_DEPS	:= $(wildcard $(HERE)/fuzz/*)

FUZZ_LAYOUT_fuzz_split	:= 0
FUZZ_LAYOUT_fuzz_packed	:= F_PACKED

$(FUZZ:%=$(BUILD)/%): $(BUILD)/%: $(DEPS) $(FUZZ_DEPS) $(HERE)/fuzz.mk | $(BUILD)
	$(FUZZ_CC) $(FLAGS) $(SAN) $(HOOKS) -DFUZZ_LAYOUT=$(FUZZ_LAYOUT_$*) \
		-DFUZZ_ENTRY=LLVMFuzzerTestOneInput \
		-fsanitize=fuzzer,address,undefined -o $@ \
		$(HERE)/fuzz/fuzz_ring.c $(HERE)/fuzz/ref.c $(COMMON)

# $(1) program, $(2) seconds. A corpus of its own: the committed one stays.
define fuzz_run
	mkdir -p $(FUZZ_DIR)/$(1)
	$(HERE)/fuzz/corpus unpack $(HERE)/fuzz/$(1).hex $(FUZZ_DIR)/$(1)
	cd $(FUZZ_DIR) && $(BUILD)/$(1) -max_total_time=$(2) -max_len=400 \
		-timeout=10 -rss_limit_mb=1024 -artifact_prefix=$(FUZZ_DIR)/$(1)- \
		-print_final_stats=1 -verbosity=0 $(1) >$(1).log 2>&1 || { \
		cat $(1).log; \
		echo "FAILED $(1): the input is named above, and this repeats it:"; \
		echo "    $(BUILD)/$(1) $$(ls -t $(FUZZ_DIR)/$(1)-* | head -n 1)"; \
		exit 1; }
	@echo "ok $(1): $$(awk '/number_of_executed_units/ { print $$2 }' \
		$(FUZZ_DIR)/$(1).log) inputs"
endef

$(FUZZ:%=check-%): check-%: $(BUILD)/%
	@$(call fuzz_run,$*,$(FUZZ_CHECK))

$(FUZZ:%=long-%): long-%: $(BUILD)/%
	@$(call fuzz_run,$*,$(SECONDS))

fuzz:
	$(MAKE) --no-print-directory -j 2 $(FUZZ:%=long-%)

fuzz-corpus: $(FUZZ:%=corpus-%)

# Of inputs that reach the same, the smallest one.
$(FUZZ:%=corpus-%): corpus-%: $(BUILD)/%
	rm -rf $(FUZZ_DIR)/merged-$* && mkdir -p $(FUZZ_DIR)/merged-$*
	$< -merge=1 $(FUZZ_DIR)/merged-$* $(FUZZ_DIR)/$*
	$(HERE)/fuzz/corpus pack $(HERE)/fuzz/$*.hex $(FUZZ_DIR)/merged-$*

.PHONY: fuzz fuzz-corpus $(FUZZ:%=check-%) $(FUZZ:%=long-%) $(FUZZ:%=corpus-%)
