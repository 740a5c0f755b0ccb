# make check-mutants: without any one safeguard of the event log, the history test must fail.
.PHONY: check-mutants
check-mutants:
	test/history/mutants.sh $(MUTANTS)
