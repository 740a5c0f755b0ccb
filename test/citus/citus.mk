# make check-citus PG_CONFIG=...: on a server that has Citus, a coordinator and three workers. The tests that need no Citus
# run in any case, also in check-tap. Without Citus the others are skipped.
.PHONY: check-citus
check-citus:
	$(MAKE) check-tap TAP='$(or $(CITUS_TESTS),$(sort $(wildcard test/t/citus/*.pl test/t/docs/citus*.pl)))'
