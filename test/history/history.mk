# make check-mutants: the history test finds each safeguard of the event log that is missing.
.PHONY: check-mutants
check-mutants:
	test/history/mutants.sh $(MUTANTS)
